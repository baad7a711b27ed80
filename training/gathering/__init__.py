"""Training texts from the files that people have: logs of queries, tables, documents, an index.

    gathered = gather(queries=["log.csv"], passages=["docs.jsonl"], tokenizer=tokenizer, wanted=60_000)
    print(gathered.report)
    gathered.write(Path("runs/mine/texts"))

``data`` reads files whose form a recipe states. This package finds out what a file holds and says so. It reads every
line that can be read, counts what it leaves out, cuts long texts into windows, and makes short texts from documents
where there are few queries.
"""

from training.gathering.gather import gather
from training.gathering.gathered import KINDS, PSEUDO, Gathered, GatheredText
from training.gathering.report import FileReport, Lengths, Report
from training.gathering.source import Source

__all__ = ["KINDS", "PSEUDO", "FileReport", "Gathered", "GatheredText", "Lengths", "Report", "Source", "gather"]
