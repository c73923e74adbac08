"""Trino's scalar functions: arguments, the engine's function, and the type of the answer.

One line a function: ``name arguments engine type``. ``arguments`` is a count, a range ``1-3`` or ``2+``. ``engine`` is a
function of DuckDB that answers the same, a macro of ours (``t_...``, see ``engines/duckdb/macros.sql``), or ``*`` for a
rewrite in ``transforms``. Types: a Trino type, ``same`` (of the first argument), ``arg2``, ``common``, ``element``,
``key``, ``value``, ``keys``, ``values``, ``?`` (not known while planning).
"""

SCALAR = """
# Mathematical
abs                     1    abs              same
acos                    1    t_acos           double
asin                    1    t_asin           double
atan                    1    atan             double
atan2                   2    atan2            double
cbrt                    1    t_cbrt           double
ceil                    1    *                same
ceiling                 1    *                same
cos                     1    cos              double
cosh                    1    cosh             double
cosine_similarity       2    t_cosine_map     double
array_histogram         1    t_array_histogram ?
contains_sequence       2    t_contains_sequence boolean
cosine_distance         2    t_cosine_distance double
cot                     1    cot              double
degrees                 1    degrees          double
e                       0    t_e              double
exp                     1    exp              double
floor                   1    *                same
from_base               2    t_from_base      bigint
infinity                0    t_infinity       double
is_finite               1    isfinite         boolean
is_infinite             1    isinf            boolean
is_nan                  1    isnan            boolean
ln                      1    t_ln             double
log                     2    t_log            double
log10                   1    t_log10          double
log2                    1    t_log2           double
mod                     2    *                common
nan                     0    t_nan            double
pi                      0    pi               double
pow                     2    t_power          double
power                   2    t_power          double
radians                 1    radians          double
rand                    0-2  *                ?
random                  0-2  *                ?
round                   1-2  *                same
sign                    1    *                same
sin                     1    sin              double
sinh                    1    sinh             double
sqrt                    1    t_sqrt           double
tan                     1    tan              double
tanh                    1    tanh             double
to_base                 2    t_to_base        varchar
truncate                1-2  *                same
width_bucket            2+   *                bigint
bit_count               2    t_bit_count      bigint
bitwise_and             2    t_bitwise_and    bigint
bitwise_or              2    t_bitwise_or     bigint
bitwise_xor             2    t_bitwise_xor    bigint
bitwise_not             1    t_bitwise_not    bigint
bitwise_left_shift      2    t_left_shift     same
bitwise_right_shift     2    t_right_shift    same
bitwise_right_shift_arithmetic 2 t_right_shift_arithmetic same

# Conditional
coalesce                2+   coalesce         common
if                      2-3  *                ?
nullif                  2    nullif           same
try                     1    *                same
greatest                1+   *                common
least                   1+   *                common
typeof                  1    *                varchar

# Strings
chr                     1    t_chr            varchar
codepoint               1    t_codepoint      integer
concat                  2+   *                ?
concat_ws               2+   *                varchar
ends_with               2    suffix           boolean
starts_with             2    prefix           boolean
hamming_distance        2    t_hamming        bigint
length                  1    *                bigint
levenshtein_distance    2    levenshtein      bigint
lower                   1    lower            varchar
lpad                    3    *                ?
rpad                    3    *                ?
ltrim                   1-2  *                varchar
rtrim                   1-2  *                varchar
trim                    1-2  trim             varchar
luhn_check              1    t_luhn_check     boolean
replace                 2-3  *                varchar
reverse                 1    *                same
split                   2-3  *                array(varchar)
split_part              3    t_split_part     varchar
split_to_map            3    t_split_to_map   map(varchar,varchar)
split_to_multimap       3    t_split_to_multimap map(varchar,array(varchar))
strpos                  2-3  *                bigint
position                2    t_position       bigint
substr                  2-3  *                varchar
substring               2-3  *                varchar
translate               3    translate        varchar
upper                   1    upper            varchar
from_utf8               1-2  *                varchar
to_utf8                 1    encode           varbinary
normalize               1-2  *                varchar
soundex                 1    t_soundex        varchar
format                  2+   *                varchar
format_number           1    t_format_number  varchar
human_readable_seconds  1    t_human_seconds  varchar
uuid                    0    uuid             uuid

# Regular expressions
regexp_count            2    t_regexp_count   bigint
regexp_extract          2-3  *                varchar
regexp_extract_all      2-3  *                array(varchar)
regexp_like             2    regexp_matches   boolean
regexp_position         2-4  *                integer
regexp_replace          2-3  *                varchar
regexp_split            2    *                array(varchar)

# Binary
from_base64             1    from_base64      varbinary
from_base64url          1    t_from_base64url varbinary
from_big_endian_32      1    t_from_big_endian_32 integer
from_big_endian_64      1    t_from_big_endian_64 bigint
from_hex                1    *                varbinary
md5                     1    t_md5            varbinary
sha1                    1    t_sha1           varbinary
sha256                  1    t_sha256         varbinary
to_base64               1    to_base64        varchar
to_base64url            1    t_to_base64url   varchar
to_big_endian_32        1    t_to_big_endian_32 varbinary
to_big_endian_64        1    t_to_big_endian_64 varbinary
to_hex                  1    *                varchar

# URLs
url_decode              1    t_url_decode     varchar
url_encode              1    t_url_encode     varchar
url_extract_fragment    1    t_url_fragment   varchar
url_extract_host        1    t_url_host       varchar
url_extract_parameter   2    t_url_parameter  varchar
url_extract_path        1    t_url_path       varchar
url_extract_port        1    t_url_port       bigint
url_extract_protocol    1    t_url_protocol   varchar
url_extract_query       1    t_url_query      varchar

# Dates and times
date                    1    *                date
date_add                3    *                ?
date_diff               3    *                bigint
date_format             2    *                varchar
date_parse              2    *                timestamp
date_trunc              2    *                arg2
day                     1    *                bigint
day_of_month            1    *                bigint
day_of_week             1    *                bigint
day_of_year             1    *                bigint
dow                     1    *                bigint
doy                     1    *                bigint
format_datetime         2    *                varchar
from_iso8601_date       1    t_iso_date       date
from_iso8601_timestamp  1    t_iso_timestamp  timestamp with time zone
from_iso8601_timestamp_nanos 1 t_iso_timestamp timestamp with time zone
from_unixtime           1-2  *                timestamp with time zone
from_unixtime_nanos     1    t_from_unixtime_nanos timestamp with time zone
hour                    1    *                bigint
last_day_of_month       1    *                date
millisecond             1    *                bigint
minute                  1    *                bigint
month                   1    *                bigint
now                     0    *                timestamp with time zone
current_timestamp       0-1  *                timestamp with time zone
localtimestamp          0-1  *                timestamp
current_time            0-1  *                ?
localtime               0-1  *                time
current_timezone        0    t_current_timezone varchar
parse_datetime          2    *                timestamp with time zone
quarter                 1    *                bigint
second                  1    *                bigint
timezone_hour           1    *                bigint
timezone_minute         1    *                 bigint
to_iso8601              1    *                varchar
to_milliseconds         1    t_to_milliseconds bigint
to_unixtime             1    t_to_unixtime    double
week                    1    *                bigint
week_of_year            1    *                bigint
with_timezone           2    *                timestamp with time zone
year                    1    *                bigint
year_of_week            1    *                bigint
yow                     1    *                bigint
at_timezone             2    *                timestamp with time zone

# Arrays
all_match               2    *                boolean
any_match               2    *                boolean
none_match              2    *                boolean
array_distinct          1    t_array_distinct same
array_except            2    t_array_except   same
array_first             1    t_array_first    element
array_intersect         1+   *                same
array_join              2-3  *                varchar
array_last              1    t_array_last     element
array_max               1    t_array_max      element
array_min               1    t_array_min      element
array_position          2    t_array_position bigint
array_remove            2    t_array_remove   same
array_sort              1-2  *                same
array_union             2    t_array_union    same
arrays_overlap          2    t_arrays_overlap boolean
cardinality             1    *                bigint
contains                2    t_contains       boolean
element_at              2    *                element
filter                  2    *                same
flatten                 1    flatten          element
ngrams                  2    t_ngrams         ?
reduce                  4    *                ?
repeat                  2    t_repeat         ?
sequence                2-3  *                ?
shuffle                 1    t_shuffle        same
slice                   3    t_slice          same
transform               2    *                ?
trim_array              2    t_trim_array     same
zip                     2-5  *                ?
zip_with                3    *                ?
euclidean_distance      2    t_euclidean      double
dot_product             2    t_dot_product    double

# Maps
map                     0-2  *                ?
map_concat              1+   *                same
map_entries             1    t_map_entries    ?
map_filter              2    *                same
map_from_entries        1    t_map_from_entries ?
map_keys                1    map_keys         keys
map_values              1    map_values       values
map_zip_with            3    *                ?
multimap_from_entries   1    *                ?
transform_keys          2    *                ?
transform_values        2    *                ?

# JSON
is_json_scalar          1    t_is_json_scalar boolean
json_array_contains     2    *                boolean
json_array_get          2    t_json_array_get json
json_array_length       1    t_json_array_length bigint
json_extract            2    t_json_extract   json
json_extract_scalar     2    t_json_extract_scalar varchar
json_format             1    t_json_format    varchar
json_parse              1    t_json_parse     json
json_size               2    t_json_size      bigint
"""
