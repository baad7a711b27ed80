"""Takes over an index that somebody already has: the teacher's vectors stay as they are, nothing is encoded anew.

``build`` makes the same folder by encoding. Nothing is adopted on its word:

    arrays      reads NumPy files
    faiss_file  has a FAISS file inspected by a process of its own, ``inspection``, which may die without harm
    structure   knows what the types of FAISS store, under which labels, and whether the teacher's order survives
    lengths     checks or divides by the lengths of vectors
    matching    finds the document of each vector
    agreement   compares a sample of vectors with what the passage encoder makes of their documents
    recall      measures what the finished index finds of its own vectors' neighbours
"""

from typeahead.index.adopt.adopting import adopt_index

__all__ = ["adopt_index"]
