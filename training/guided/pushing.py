"""Pushes a finished model to a hub: ``--push``."""

from __future__ import annotations

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from training.guided.request import Request
from typeahead.errors import TrainingError


def push(request: Request) -> str:
    """Push the model, and beside it the passage encoder under the same id with "-doc"; returns what was done.

    The token is that of ``huggingface-cli login`` or of the variable ``HF_TOKEN``. A repository that does not exist is
    made, and is private.

    Raises:
        TrainingError: the hub refuses it, or cannot be reached. The models in their folders are complete.
    """
    hub = HfApi()
    pushed = []
    for folder, id_ in ((request.out, request.push), (request.passage_out, f"{request.push}-doc")):
        if not folder.is_dir():
            continue
        try:
            hub.create_repo(id_, private=True, exist_ok=True)
            hub.upload_folder(repo_id=id_, folder_path=folder, commit_message=f"typeahead model {folder.name}")
        except (HfHubHTTPError, HFValidationError, OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise TrainingError(f"{folder} is complete, but was not pushed to {id_}: {reason}") from None
        pushed.append(id_)
    return f"Pushed {' and '.join(pushed)}."
