"""How the things people have become tensors and come back: pictures, arrays, tables, logs."""

from zscape.modalities.array import Array
from zscape.modalities.image import Image
from zscape.modalities.logs import Logs
from zscape.modalities.modality import Modality, Pictures, Rows
from zscape.modalities.table import Table

__all__ = ["MODALITIES", "Array", "Image", "Logs", "Modality", "Pictures", "Rows", "Table"]

MODALITIES: dict[str, type[Modality]] = {
    "image": Image,
    "array": Array,
    "table": Table,
    "logs": Logs,
}
