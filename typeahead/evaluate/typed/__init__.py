"""What does a search box show for what people type? Names, half-typed names, slips, rare words and nonsense.

:mod:`~typeahead.evaluate.measures.prefixes` types judged queries; here most queries are drawn from the documents
themselves, so a collection needs no judgements. ``drawing`` and ``slips`` draw the queries, from a seed and never from
what a box answers. ``boxes`` says what a box is, and ``served``, ``typesense``, ``lexical`` and ``teacher`` are boxes.
``asking`` types every query into a box, and ``measures`` turns the screens into figures. These are the definitions:

*Key and Enter.* Each text is typed without its last character, then the last character follows. The screen *at the key*
is what stands there when the answer to the last character has come. The screen *at Enter* is the answer to Enter. A
screen has at most ten hits.

*Names.* A name is the whole title of a document, if no other document has the same title (case and spaces aside). It is
typed whole: is its document first at the key, and first at Enter? It is also typed to 30, 50, 70 and 85% of its
characters, rounded: is its document among the first eight at the key?

*Slips.* A name with one mistake inside a word of at least four letters, never at the word's first letter: two
neighbouring letters swapped, a letter left out, a letter doubled, or a letter replaced by its neighbour on a QWERTY
keyboard. Slips that spell another document's title are not drawn. Is the document among the first eight, and first?

*Words* are letters alone that stand between spaces, punctuation aside, in lower case.

*Rare words.* Words of at least five letters that stand in exactly one document, and in no other even as a part of an
address or a compound. Is that document first at Enter, and among the first eight at the key?

*Continuity.* The first five letters of a longer word of the collection, then Enter. The reader loses the place if none
of the three hits that stood first at the key is left after Enter. Texts without a hit at the key do not count.

*Nonsense.* One or two random strings of four to nine consonants, none of which begins a word of the collection. A box
*shows* something if it has a hit and does not mark the answer as weak. Boxes that cannot mark an answer show every hit.

*Judged queries* (if the collection has judgements), typed to 30, 50, 70, 85 and 100% and after Enter: nDCG@10 and RR@10
of trec_eval (:mod:`~typeahead.evaluate.measures.metrics`), and how many queries with a relevant hit on the screen at
Enter are marked as weak.

*Times.* From sending the last character, or Enter, to the whole answer, at a client of the same machine that asks one
text at a time. Nothing else is measured meanwhile: servers run one after the other.
"""
