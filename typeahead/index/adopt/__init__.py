"""Adopts an existing index: the teacher's vectors stay as they are, and nothing is encoded again.

``build`` makes the same folder by encoding. Adoption trusts nothing unchecked:

    arrays      reads NumPy files
    faiss_file  has a FAISS file inspected in a separate process, ``inspection``, which may crash without harm
    structure   knows what FAISS's types store, under which labels, and whether they keep the teacher's order
    lengths     checks the lengths of vectors, or divides by them
    matching    finds the document of each vector
    agreement   compares a sample of vectors with the passage encoder's embeddings of their documents
    recall      measures how many of its own vectors' neighbours the finished index finds
"""

from typeahead.index.adopt.adopting import adopt_index

__all__ = ["adopt_index"]
