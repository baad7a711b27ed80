#!/usr/bin/env bash
# Measures everything that benchmarks/results/report.md shows, and writes that page:
#
#     benchmarks/evaluation.sh DATA TEACHER
#
# DATA is a folder as benchmarks/data.md describes it; this needs its msmarco-mini, nfcorpus, scifact, train_queries.tsv
# and keystrokes.jsonl.gz. TEACHER is a sentence-transformers folder of all-MiniLM-L6-v2. The JSON files stay in
# .typeahead/results, because they quote queries.
set -euo pipefail
data=$1 teacher=all-MiniLM-L6-v2=st:$2
results=.typeahead/results
report=benchmarks/results/report.md
mkdir -p "$results"
for collection in msmarco-mini nfcorpus scifact; do
    # TREC DL counts a passage as relevant from grade 2 on.
    grade=$([ "$collection" = msmarco-mini ] && echo 2 || echo 1)
    typeahead evaluate retrieval "$data/$collection" --relevant-from "$grade" --passage-encoder "$teacher" \
        --query-encoder minilm-gru "static table=table:$2" bm25 "$teacher" --json "$results/retrieval-$collection.json"
    typeahead evaluate prefixes "$data/$collection" --relevant-from "$grade" --passage-encoder "$teacher" \
        --query-encoder minilm-gru --traces "$data/keystrokes.jsonl.gz" --json "$results/prefixes-$collection.json"
done
typeahead evaluate latency "$data/train_queries.tsv" --throughput --json "$results/latency.json" --query-encoder \
    minilm-gru torch.nn.GRU=torch:minilm-gru "static table=table:$2" "teacher, ONNX Runtime=onnx:$2" "$teacher"
typeahead evaluate report "$results"/{retrieval,prefixes}-{msmarco-mini,nfcorpus,scifact}.json "$results/latency.json" \
    --out "$report"
# The page quotes its commands. Variables stand for this machine's folders, so that others can run them.
page=$(<"$report")
page=${page//"$2"/'$TYPEAHEAD_TEACHER'}
page=${page//"$data"/'$TYPEAHEAD_DATA'}
printf '%s\n' "$page" > "$report"
