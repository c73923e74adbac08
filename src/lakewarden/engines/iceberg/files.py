"""pyiceberg's FileIO over exactly the files that were given, and one folder for what is written."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream


class GivenFiles(FileIO):
    """INVARIANT (least_reach): a URI that metadata names is a key of the given files, or it is not there.

    What is written lies in ``folder`` under the last part of its URI, and can be read again.
    """

    def __init__(self, files: Mapping[str, str], folder: str) -> None:
        super().__init__()
        self._files = dict(files)
        self._folder = Path(folder)

    def new_input(self, location: str) -> InputFile:
        """Raises ``FileNotFoundError`` for what was not given."""
        path = self._files.get(location)
        if path is None:
            raise FileNotFoundError(location[:200])
        return _Input(location, Path(path))

    def new_output(self, location: str) -> OutputFile:
        """A file in the folder."""
        name = location.rpartition("/")[2]
        if not name or name in {".", ".."}:
            raise ValueError("a file without a name")
        path = self._folder / name
        self._files[location] = str(path)
        return _Output(location, path)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Nothing is deleted here."""
        raise PermissionError(f"the scribe deletes nothing: {location}")


class _Input(InputFile):
    def __init__(self, location: str, path: Path) -> None:
        super().__init__(location)
        self._path = path

    def __len__(self) -> int:
        return self._path.stat().st_size

    def exists(self) -> bool:
        return self._path.exists()

    def open(self, seekable: bool = True) -> InputStream:
        del seekable
        return cast("InputStream", self._path.open("rb"))


class _Output(OutputFile):
    def __init__(self, location: str, path: Path) -> None:
        super().__init__(location)
        self._path = path

    def __len__(self) -> int:
        return self._path.stat().st_size

    def exists(self) -> bool:
        return self._path.exists()

    def to_input_file(self) -> InputFile:
        return _Input(self.location, self._path)

    def create(self, overwrite: bool = False) -> OutputStream:
        return cast("OutputStream", self._path.open("wb" if overwrite else "xb"))
