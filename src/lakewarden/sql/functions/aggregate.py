"""Trino's aggregate and window functions, in the same form as :mod:`lakewarden.sql.functions.scalar`."""

AGGREGATE = """
any_value               1    any_value        same
arbitrary               1    any_value        same
array_agg               1    array_agg        ?
avg                     1    *                ?
bool_and                1    bool_and         boolean
bool_or                 1    bool_or          boolean
every                   1    bool_and         boolean
count                   0-1  count            bigint
count_if                1    *                bigint
geometric_mean          1    geomean          double
listagg                 1-2  *                varchar
max                     1-2  *                ?
min                     1-2  *                ?
max_by                  2-3  arg_max          ?
min_by                  2-3  arg_min          ?
sum                     1    *                ?
bitwise_and_agg         1    *                bigint
bitwise_or_agg          1    *                bigint
bitwise_xor_agg         1    *                bigint
histogram               1    *                ?
map_agg                 2    *                ?
map_union               1    *                same
multimap_agg            2    *                ?
approx_distinct         1-2  *                bigint
approx_percentile       2-4  *                ?
corr                    2    corr             double
covar_pop               2    covar_pop        double
covar_samp              2    covar_samp       double
kurtosis                1    kurtosis         double
regr_avgx               2    regr_avgx        double
regr_avgy               2    regr_avgy        double
regr_count              2    regr_count       bigint
regr_intercept          2    regr_intercept   double
regr_r2                 2    regr_r2          double
regr_slope              2    regr_slope       double
regr_sxx                2    regr_sxx         double
regr_sxy                2    regr_sxy         double
regr_syy                2    regr_syy         double
stddev                  1    stddev_samp      double
stddev_pop              1    stddev_pop       double
stddev_samp             1    stddev_samp      double
var_pop                 1    var_pop          double
var_samp                1    var_samp         double
variance                1    var_samp         double
grouping                1+   grouping         bigint
"""

WINDOW = """
cume_dist               0    cume_dist        double
dense_rank              0    dense_rank       bigint
first_value             1    first_value      same
lag                     1-3  lag              same
last_value              1    last_value       same
lead                    1-3  lead             same
nth_value               2    nth_value        same
ntile                   1    ntile            bigint
percent_rank            0    percent_rank     double
rank                    0    rank             bigint
row_number              0    row_number       bigint
"""
