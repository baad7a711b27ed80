"""Writers, one module for each kind of student: its weights and graphs, and its words on the card."""
