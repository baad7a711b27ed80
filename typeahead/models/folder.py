"""Finds, reads and writes model folders; the format is specified in :mod:`~typeahead.models.config`."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from typeahead.errors import ModelCorrupt, ModelNotFound
from typeahead.installation import MODELS
from typeahead.models.config import CONFIG, ModelConfig
from typeahead.paths import models_folder
from typeahead.storage.sealed import SEAL, SealBroken, is_sealed, read_json
from typeahead.storage.sums import file_sha256

#: Maximum size of ``config.json``, in bytes.
_MAX_CONFIG = 4 << 20


def find(name_or_path: str | Path) -> Path:
    """Return the folder of a model, given the name of a shipped model or a path."""
    path = Path(name_or_path)
    if (path / CONFIG).is_file():
        return path
    shipped = models_folder() / path
    if len(path.parts) == 1 and (shipped / CONFIG).is_file():
        return shipped
    if not shipped_models():
        raise ModelNotFound(
            f"no model {str(name_or_path)!r}: it is no folder with a config.json, and no models are installed: "
            f'pip install "{MODELS}"'
        )
    raise ModelNotFound(
        f"no model {str(name_or_path)!r}: it is neither a folder with a config.json nor one of "
        f"{', '.join(shipped_models())}"
    )


def shipped_models() -> list[str]:
    """Names of the models shipped with the package."""
    return sorted(path.parent.name for path in models_folder().glob("*/config.json"))


def read_config(folder: Path, *, verify: bool = True) -> ModelConfig:
    """Read ``config.json``, and check the sha256 of every file it lists unless ``verify`` is false."""
    config, _ = open_config(folder)
    for name, expected in config.files.items() if verify else ():
        path = folder / name
        if not path.is_file():
            raise ModelCorrupt(f"{path} is missing: download the model again", folder=folder)
        if file_sha256(path) != expected:
            raise ModelCorrupt(
                f"{path} does not match its sha256 in config.json: download the model again", folder=folder
            )
    return config


def open_config(folder: Path, *, check_seal: bool = True) -> tuple[ModelConfig, bool]:
    """Read only ``config.json``, and return whether it has a checksum; :func:`read_config` also checks the files."""
    path = folder / CONFIG
    try:
        data, text = read_json(path, _MAX_CONFIG)
        config = ModelConfig.from_json(data, folder)
        return config, is_sealed(data, text) if check_seal else SEAL in data
    except SealBroken as error:
        raise ModelCorrupt(
            f"{path} is damaged ({error}): download the model again, or, if you edited the file yourself, run "
            f"`typeahead verify --seal {folder}`",
            folder=folder,
        ) from error
    except OSError as error:
        raise ModelCorrupt(f"{path} cannot be read: {error.strerror}", folder=folder) from error
    except ValueError as error:
        raise ModelCorrupt(f"{path} is damaged ({error}): download the model again", folder=folder) from error


def write_config(folder: Path, config: ModelConfig) -> ModelConfig:
    """Write ``config.json`` with the sha256 of every file that is now in ``folder``."""
    files = {path.name: file_sha256(path) for path in sorted(folder.iterdir()) if path.name != CONFIG}
    values = {field.name: getattr(config, field.name) for field in fields(config)} | {"files": files}
    complete = ModelConfig(**values)
    # The checksum covers the bytes, so line endings must not be translated.
    (folder / CONFIG).write_text(complete.to_json(), encoding="utf-8", newline="")
    return complete
