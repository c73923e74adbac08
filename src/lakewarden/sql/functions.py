"""Every function that a query may use: what is not in these tables is refused.

The first table names the syntax nodes that Trino's functions parse to, the second the functions that DuckDB
calls by the same name and that give the same answer. ``docs/reference.md`` lists the Trino names.
"""

from sqlglot import exp

_TYPED = """
    Abs Ceil Floor Round Sqrt Pow Exp Ln Log Sign Trunc Cbrt Pi Degrees Radians Sin Cos Tan Asin Acos Atan Atan2
    Sinh Cosh Tanh Rand Greatest Least Coalesce Nullif If Case
    Lower Upper Length Trim Substring Concat ConcatWs Replace Reverse StrPosition Split SplitPart Pad StartsWith
    Chr Translate RegexpLike RegexpExtract RegexpExtractAll RegexpReplace RegexpCount RegexpSplit Levenshtein Format
    Date DateTrunc TimestampTrunc DateAdd DateDiff Year Month Day Hour Minute Second Quarter WeekOfYear DayOfWeekIso
    DayOfYear DayOfMonth Extract CurrentDate CurrentTimestamp CurrentTime Localtimestamp Localtime UnixToTime
    TimeToUnix TimeToStr StrToTime FromISO8601Date FromISO8601Timestamp LastDay AtTimeZone
    Cast TryCast Try TsOrDsToDate TsOrDsToTimestamp
    Array ArraySize ArrayContains ArrayDistinct ArraySort ArrayToString ArrayMax ArrayMin ArrayPosition ArrayIntersect
    ArrayExcept ArrayRemove ArraySlice ArrayConcat Flatten GenerateSeries Transform ArrayFilter Reduce Map MapKeys
    Struct Explode Unnest
    JSONExtract JSONExtractScalar ParseJSON JSONFormat JSONPath JSONPathRoot JSONPathKey JSONPathSubscript
    MD5Digest SHA2Digest Encode Decode Hex Unhex ToBase64 FromBase64 Uuid IsNan
    Count Sum Avg Min Max AnyValue CountIf LogicalAnd LogicalOr ArrayAgg ApproxDistinct ApproxQuantile Stddev StddevPop
    StddevSamp Variance VariancePop Corr CovarPop CovarSamp ArgMax ArgMin GroupConcat Skewness Kurtosis
    BitwiseAndAgg BitwiseOrAgg
    RowNumber Rank DenseRank Ntile PercentRank CumeDist Lag Lead FirstValue LastValue NthValue Grouping
    And Or Xor Exists
"""
TYPED = frozenset(getattr(exp, name) for name in _TYPED.split() if hasattr(exp, name))
"""Function nodes of the syntax tree."""

NAMED = frozenset({"map_values", "json_array_length", "url_encode", "url_decode", "histogram", "geometric_mean"})
"""Functions that sqlglot has no node for, lower case."""

MISSING = tuple(name for name in _TYPED.split() if not hasattr(exp, name))
"""Names that the installed sqlglot does not have; a test keeps this empty."""
