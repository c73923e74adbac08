"""File formats as Glue stores them: input format, output format and SerDe (Athena User Guide, "Supported SerDes")."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

LAZY_SIMPLE = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
OPEN_CSV = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
PARQUET = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
ORC = "org.apache.hadoop.hive.ql.io.orc.OrcSerde"
AVRO = "org.apache.hadoop.hive.serde2.avro.AvroSerDe"
JSON_SERDES = frozenset({"org.openx.data.jsonserde.JsonSerDe", "org.apache.hive.hcatalog.data.JsonSerDe"})

_TEXT = ("org.apache.hadoop.mapred.TextInputFormat", "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat")
_STORED: Mapping[str, tuple[str, str, str]] = {
    "TEXTFILE": (*_TEXT, LAZY_SIMPLE),
    "PARQUET": (
        "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
        PARQUET,
    ),
    "ORC": (
        "org.apache.hadoop.hive.ql.io.orc.OrcInputFormat",
        "org.apache.hadoop.hive.ql.io.orc.OrcOutputFormat",
        ORC,
    ),
    "AVRO": (
        "org.apache.hadoop.hive.ql.io.avro.AvroContainerInputFormat",
        "org.apache.hadoop.hive.ql.io.avro.AvroContainerOutputFormat",
        AVRO,
    ),
    "JSON": (*_TEXT, "org.openx.data.jsonserde.JsonSerDe"),
}


@dataclass(frozen=True, slots=True)
class Layout:
    """What the clauses of a CREATE TABLE have said so far; empty where they have said nothing."""

    input_format: str = ""
    output_format: str = ""
    serde: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)

    def with_serde(self, serde: str) -> Self:
        """ROW FORMAT SERDE."""
        return replace(self, serde=serde)

    def with_properties(self, properties: Mapping[str, str]) -> Self:
        """WITH SERDEPROPERTIES."""
        return replace(self, properties={**self.properties, **properties})

    def with_formats(self, input_format: str, output_format: str) -> Self:
        """STORED AS INPUTFORMAT ... OUTPUTFORMAT ..."""
        return replace(self, input_format=input_format, output_format=output_format)

    def stored_as(self, name: str) -> Self:
        """STORED AS name; raises ``KeyError`` for an unknown one. A SerDe that was named stays."""
        input_format, output_format, serde = _STORED[name.upper()]
        return replace(self, input_format=input_format, output_format=output_format, serde=self.serde or serde)

    def resolve(self) -> Self:
        """The layout with Hive's defaults: text files, and LazySimpleSerDe with ^A between the fields."""
        return replace(
            self,
            input_format=self.input_format or _TEXT[0],
            output_format=self.output_format or _TEXT[1],
            serde=self.serde or LAZY_SIMPLE,
            properties=self.properties or {"serialization.format": "1"},
        )
