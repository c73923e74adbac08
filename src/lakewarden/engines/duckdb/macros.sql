-- Trino's functions that DuckDB has not, or answers otherwise. The worker makes those that a statement uses.
-- An error is a cast that cannot succeed, of a text that begins with '!' and names a row of failures.ERRORS.

-- Numbers
CREATE TEMP MACRO t_e() AS 2.718281828459045e0;
CREATE TEMP MACRO t_infinity() AS CAST('Infinity' AS DOUBLE);
CREATE TEMP MACRO t_nan() AS CAST('NaN' AS DOUBLE);
CREATE TEMP MACRO t_nonzero
  (b TINYINT) AS CASE WHEN b = 0 THEN CAST('!DIVISION_BY_ZERO' AS TINYINT) ELSE b END,
  (b SMALLINT) AS CASE WHEN b = 0 THEN CAST('!DIVISION_BY_ZERO' AS SMALLINT) ELSE b END,
  (b INTEGER) AS CASE WHEN b = 0 THEN CAST('!DIVISION_BY_ZERO' AS INTEGER) ELSE b END,
  (b BIGINT) AS CASE WHEN b = 0 THEN CAST('!DIVISION_BY_ZERO' AS BIGINT) ELSE b END,
  (b HUGEINT) AS CASE WHEN b = 0 THEN CAST('!DIVISION_BY_ZERO' AS HUGEINT) ELSE b END,
  (b DOUBLE) AS b;
CREATE TEMP MACRO t_div
  (a TINYINT, b TINYINT) AS a // t_nonzero(b),
  (a SMALLINT, b SMALLINT) AS a // t_nonzero(b),
  (a INTEGER, b INTEGER) AS a // t_nonzero(b),
  (a BIGINT, b BIGINT) AS a // t_nonzero(b),
  (a HUGEINT, b HUGEINT) AS a // t_nonzero(b),
  (a DOUBLE, b DOUBLE) AS a / b;
CREATE TEMP MACRO t_quotient(a, b, unit) AS CASE WHEN b = 0 THEN CAST('!DIVISION_BY_ZERO' AS HUGEINT)
  ELSE (CASE WHEN (a < 0) <> (b < 0) THEN -1 ELSE 1 END) * ((2 * abs(a * unit) + abs(b)) // (2 * abs(b))) END;
CREATE TEMP MACRO t_acos(x) AS CASE WHEN abs(x) > 1 THEN CAST('NaN' AS DOUBLE) ELSE acos(x) END;
CREATE TEMP MACRO t_asin(x) AS CASE WHEN abs(x) > 1 THEN CAST('NaN' AS DOUBLE) ELSE asin(x) END;
CREATE TEMP MACRO t_ln(x) AS CASE WHEN x < 0 THEN CAST('NaN' AS DOUBLE) WHEN x = 0 THEN CAST('-Infinity' AS DOUBLE) ELSE ln(x) END;
CREATE TEMP MACRO t_log2(x) AS CASE WHEN x < 0 THEN CAST('NaN' AS DOUBLE) WHEN x = 0 THEN CAST('-Infinity' AS DOUBLE) ELSE log2(x) END;
CREATE TEMP MACRO t_log10(x) AS CASE WHEN x < 0 THEN CAST('NaN' AS DOUBLE) WHEN x = 0 THEN CAST('-Infinity' AS DOUBLE) ELSE log10(x) END;
CREATE TEMP MACRO t_log(b, x) AS t_ln(x) / t_ln(b);
CREATE TEMP MACRO t_sqrt(x) AS CASE WHEN x < 0 THEN CAST('NaN' AS DOUBLE) ELSE sqrt(x) END;
CREATE TEMP MACRO t_power(a, b) AS pow(CAST(a AS DOUBLE), CAST(b AS DOUBLE));
CREATE TEMP MACRO t_round_whole(a, n) AS CASE WHEN n >= 0 THEN CAST(a AS HUGEINT)
  ELSE CAST(round(CAST(a AS DOUBLE) / pow(10, -n)) * pow(10, -n) AS HUGEINT) END;
CREATE TEMP MACRO t_truncate(a, n) AS trunc(CAST(a AS DOUBLE) * pow(10, n)) / pow(10, n);
CREATE TEMP MACRO t_random(low, high) AS CASE WHEN low >= high
  THEN CAST('!RANDOM_BOUND' AS DOUBLE) ELSE floor(low + random() * (high - low)) END;
CREATE TEMP MACRO t_width_bucket(x, low, high, n) AS CASE
  WHEN n <= 0 THEN CAST('!BUCKET_COUNT' AS BIGINT)
  WHEN low = high THEN CAST('!BUCKET_BOUNDS' AS BIGINT)
  WHEN low < high AND x < low OR low > high AND x > low THEN 0
  WHEN low < high AND x >= high OR low > high AND x <= high THEN CAST(n AS BIGINT) + 1
  ELSE CAST(floor(CAST(n AS DOUBLE) * (CAST(x AS DOUBLE) - low) / (CAST(high AS DOUBLE) - low)) AS BIGINT) + 1 END;
CREATE TEMP MACRO t_bucket_of(x, bins) AS CAST(len(list_filter(bins, lambda bin : bin <= x)) AS BIGINT);
CREATE TEMP MACRO t_bit_count(x, bits) AS CASE
  WHEN bits = 64 THEN bit_count(CAST(x AS BIGINT))
  WHEN bits BETWEEN 2 AND 63 THEN bit_count(CAST(x AS BIGINT) & ((CAST(1 AS BIGINT) << bits) - 1))
  ELSE CAST('!BITS' AS BIGINT) END;
CREATE TEMP MACRO t_bitwise_and(a, b) AS CAST(a AS BIGINT) & CAST(b AS BIGINT);
CREATE TEMP MACRO t_bitwise_or(a, b) AS CAST(a AS BIGINT) | CAST(b AS BIGINT);
CREATE TEMP MACRO t_bitwise_xor(a, b) AS xor(CAST(a AS BIGINT), CAST(b AS BIGINT));
CREATE TEMP MACRO t_bitwise_not(a) AS ~CAST(a AS BIGINT);
CREATE TEMP MACRO t_signed(x) AS CASE WHEN x >= CAST(9223372036854775808 AS HUGEINT) THEN CAST(x - CAST(18446744073709551616 AS HUGEINT) AS BIGINT) ELSE CAST(x AS BIGINT) END;
CREATE TEMP MACRO t_left_shift(a, n) AS CASE WHEN n >= 64 THEN CAST(0 AS BIGINT) ELSE
  t_signed((CAST(a AS HUGEINT) & (CAST(18446744073709551615 AS HUGEINT) >> CAST(n AS HUGEINT))) << CAST(n AS HUGEINT)) END;
CREATE TEMP MACRO t_cbrt(x) AS CASE WHEN pow(round(cbrt(x)), 3) = x THEN round(cbrt(x)) ELSE cbrt(x) END;
CREATE TEMP MACRO t_right_shift(a, n) AS CASE WHEN n >= 64 THEN 0 WHEN a >= 0 THEN CAST(a AS BIGINT) >> CAST(n AS BIGINT)
  ELSE CAST((CAST(a AS HUGEINT) & CAST(18446744073709551615 AS HUGEINT)) >> CAST(n AS HUGEINT) AS HUGEINT) END;
CREATE TEMP MACRO t_right_shift_arithmetic(a, n) AS CAST(CASE WHEN n >= 64 THEN CASE WHEN a < 0 THEN -1 ELSE 0 END
  ELSE CAST(floor(CAST(a AS DOUBLE) / pow(2, n)) AS BIGINT) END AS BIGINT);
CREATE TEMP MACRO t_from_base(s, base) AS CASE WHEN s IS NULL OR base IS NULL THEN NULL
  WHEN NOT regexp_matches(lower(s), '^-?[0-9a-z]+$') OR NOT base BETWEEN 2 AND 36
    OR list_aggregate(list_transform(string_split(ltrim(lower(s), '-'), ''),
      lambda c : strpos('0123456789abcdefghijklmnopqrstuvwxyz', c)), 'max') > base THEN CAST('!NOT_A_NUMBER' AS BIGINT)
  ELSE CAST((CASE WHEN s[1] = '-' THEN -1 ELSE 1 END) * list_reduce(list_transform(string_split(ltrim(lower(s), '-'), ''),
      lambda c : CAST(strpos('0123456789abcdefghijklmnopqrstuvwxyz', c) - 1 AS HUGEINT)), lambda a, d : a * base + d) AS BIGINT) END;
CREATE TEMP MACRO t_to_base(x, base) AS CASE WHEN x < 0 THEN '-' || lower(to_base(abs(x), base)) ELSE lower(to_base(CAST(x AS BIGINT), base)) END;
CREATE TEMP MACRO t_cosine_map(a, b) AS
  coalesce(list_sum(list_transform(map_entries(a), lambda e : e.value * coalesce(map_extract(b, e.key)[1], 0))), 0)
  / (sqrt(list_sum(list_transform(map_values(a), lambda v : v * v))) * sqrt(list_sum(list_transform(map_values(b), lambda v : v * v))));
CREATE TEMP MACRO t_array_histogram(a) AS CASE WHEN a IS NOT NULL THEN coalesce(list_histogram(a), MAP {}) END;
CREATE TEMP MACRO t_contains_sequence(x, s) AS CASE WHEN x IS NULL OR s IS NULL THEN NULL WHEN len(s) = 0 THEN true
  ELSE list_contains(list_transform(range(1, greatest(1, len(x) - len(s) + 2)), lambda i : x[i:i + len(s) - 1] = s), true) END;
CREATE TEMP MACRO t_cosine_distance(a, b) AS 1 - t_cosine_map(a, b);

-- Text of values, as CAST(x AS varchar) gives it
CREATE TEMP MACRO t_double_text(x) AS CASE
  WHEN x IS NULL THEN NULL WHEN isnan(x) THEN 'NaN' WHEN isinf(x) THEN CASE WHEN x > 0 THEN 'Infinity' ELSE '-Infinity' END
  ELSE java_double_cast(x) END;
CREATE TEMP MACRO t_time_text(x) AS left(CAST(x AS VARCHAR) || CASE WHEN strpos(CAST(x AS VARCHAR), '.') = 0 THEN '.000' ELSE '00' END, 12);
CREATE TEMP MACRO t_interval_text(x) AS CASE WHEN date_part('year', x) <> 0 OR date_part('month', x) <> 0
  THEN CASE WHEN date_part('year', x) * 12 + date_part('month', x) < 0 THEN '-' ELSE '' END
    || CAST(abs(date_part('year', x) * 12 + date_part('month', x)) // 12 AS VARCHAR) || '-'
    || CAST(abs(date_part('year', x) * 12 + date_part('month', x)) % 12 AS VARCHAR)
  ELSE t_day_second(CAST(round(date_part('epoch', x) * 1000) AS BIGINT)) END;
CREATE TEMP MACRO t_day_second(ms) AS CASE WHEN ms < 0 THEN '-' ELSE '' END || CAST(abs(ms) // 86400000 AS VARCHAR) || ' '
  || printf('%02d:%02d:%02d.%03d', abs(ms) % 86400000 // 3600000, abs(ms) % 3600000 // 60000, abs(ms) % 60000 // 1000, abs(ms) % 1000);
CREATE TEMP MACRO t_fitting(s, n) AS CASE WHEN length(s) > n THEN CAST('!CAST' AS INTEGER)::VARCHAR ELSE s END;
CREATE TEMP MACRO t_whole_text(s) AS CASE WHEN regexp_full_match(s, '[+-]?[0-9]+') THEN s WHEN s IS NOT NULL THEN '!CAST' END;
CREATE TEMP MACRO t_number_text(s) AS CASE WHEN regexp_full_match(s, '\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*|\s*[+-]?(NaN|Infinity)\s*')
  THEN trim(s) WHEN s IS NOT NULL THEN '!CAST' END;
CREATE TEMP MACRO t_cast_boolean(s) AS CASE WHEN lower(s) IN ('t', 'true', '1') THEN true WHEN lower(s) IN ('f', 'false', '0') THEN false
  WHEN s IS NOT NULL THEN CAST('!CAST' AS BOOLEAN) END;
CREATE TEMP MACRO t_cast_date(s) AS CASE WHEN regexp_full_match(s, '\s*[+-]?[0-9]{1,6}-[0-9]{1,2}-[0-9]{1,2}\s*') THEN CAST(trim(s) AS DATE)
  WHEN s IS NOT NULL THEN CAST('!CAST' AS DATE) END;

-- Strings
CREATE TEMP MACRO t_chr(n) AS CASE WHEN n BETWEEN 1 AND 1114111 THEN chr(CAST(n AS INTEGER)) ELSE CAST('!CODE_POINT' AS INTEGER)::VARCHAR END;
CREATE TEMP MACRO t_codepoint(s) AS CASE WHEN length(s) = 1 THEN unicode(s) ELSE CAST('!ONE_CHARACTER' AS INTEGER) END;
CREATE TEMP MACRO t_substr(s, start) AS CASE WHEN start > 0 OR start < 0 AND -start <= length(s) THEN substring(s, CAST(start AS BIGINT))
  WHEN s IS NOT NULL AND start IS NOT NULL THEN '' END;
CREATE TEMP MACRO t_substr_for(s, start, size) AS CASE WHEN s IS NULL OR start IS NULL OR size IS NULL THEN NULL
  WHEN size <= 0 OR start = 0 OR -start > length(s) THEN ''
  WHEN start > 0 THEN substring(s, CAST(start AS BIGINT), CAST(size AS BIGINT))
  ELSE substring(s, length(s) + CAST(start AS BIGINT) + 1, CAST(size AS BIGINT)) END;
CREATE TEMP MACRO t_trim(s) AS trim(s, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13));
CREATE TEMP MACRO t_ltrim(s) AS ltrim(s, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13));
CREATE TEMP MACRO t_rtrim(s) AS rtrim(s, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13));
CREATE TEMP MACRO t_hamming(a, b) AS CASE WHEN length(a) = length(b) THEN hamming(a, b) WHEN a IS NULL OR b IS NULL THEN NULL
  ELSE CAST('!SAME_LENGTH' AS BIGINT) END;
CREATE TEMP MACRO t_luhn_check(s) AS CASE WHEN NOT regexp_full_match(s, '[0-9]+') THEN CAST('!LUHN' AS BOOLEAN) ELSE
  list_sum(list_transform(string_split(reverse(s), ''), lambda c, i :
    CASE WHEN i % 2 = 1 THEN CAST(c AS INTEGER) WHEN CAST(c AS INTEGER) > 4 THEN 2 * CAST(c AS INTEGER) - 9 ELSE 2 * CAST(c AS INTEGER) END)) % 10 = 0 END;
CREATE TEMP MACRO t_split_part(s, delimiter, n) AS CASE WHEN n <= 0 THEN CAST('!INDEX' AS INTEGER)::VARCHAR
  WHEN n > len(string_split(s, delimiter)) THEN NULL ELSE split_part(s, delimiter, CAST(n AS BIGINT)) END;
CREATE TEMP MACRO t_split_limit(s, delimiter, most) AS CASE WHEN most <= 0 THEN [CAST('!LIMIT' AS INTEGER)::VARCHAR]
  WHEN len(string_split(s, delimiter)) <= most THEN string_split(s, delimiter)
  ELSE list_append(list_slice(string_split(s, delimiter), 1, most - 1), array_to_string(list_slice(string_split(s, delimiter), most, len(string_split(s, delimiter))), delimiter)) END;
CREATE TEMP MACRO t_split_pairs(s, entries, pairs) AS list_transform(list_filter(string_split(s, entries), lambda x : x <> ''),
  lambda x : {'k': split_part(x, pairs, 1), 'v': CASE WHEN len(string_split(x, pairs)) = 2 THEN split_part(x, pairs, 2) ELSE CAST('!SPLIT_TO_MAP' AS INTEGER)::VARCHAR END});
CREATE TEMP MACRO t_split_to_map(s, entries, pairs) AS CASE WHEN s = '' THEN CAST(MAP() AS MAP(VARCHAR, VARCHAR)) ELSE map_from_entries(t_split_pairs(s, entries, pairs)) END;
CREATE TEMP MACRO t_split_to_multimap(s, entries, pairs) AS t_multimap_agg(t_split_pairs(s, entries, pairs));
CREATE TEMP MACRO t_strpos_nth(s, part, n) AS CASE
  WHEN n = 0 THEN CAST('!INSTANCE' AS BIGINT)
  WHEN n < 0 THEN CASE WHEN t_strpos_nth_from(reverse(s), reverse(part), -n) = 0 THEN 0
    ELSE length(s) - t_strpos_nth_from(reverse(s), reverse(part), -n) - length(part) + 2 END
  ELSE t_strpos_nth_from(s, part, n) END;
CREATE TEMP MACRO t_strpos_nth_from(s, part, n) AS CASE WHEN len(string_split(s, part)) <= n THEN 0
  ELSE length(array_to_string(list_slice(string_split(s, part), 1, n), part)) + 1 END;
CREATE TEMP MACRO t_position(a, b) AS strpos(b, a);
CREATE TEMP MACRO t_soundex_codes(s) AS string_split(translate(upper(left(s, 1)) || regexp_replace(upper(substring(s, 2)), '[HW]', '', 'g'),
    'BFPVCGJKQSXZDTLMNRAEIOUYHW', '11112222222233455600000000'), '');
CREATE TEMP MACRO t_soundex(s) AS CASE WHEN NOT regexp_full_match(s, '[A-Za-z]*') THEN CAST('!SOUNDEX' AS INTEGER)::VARCHAR WHEN s = '' THEN '' ELSE
  left(upper(left(s, 1)) || array_to_string(list_filter(list_slice(list_filter(t_soundex_codes(s), lambda c, i : i = 1 OR c <> t_soundex_codes(s)[i - 1]), 2, 100),
    lambda c : c <> '0'), '') || '000', 4) END;
CREATE TEMP MACRO t_format_number(x) AS CASE WHEN abs(x) < 1000 THEN CAST(CAST(x AS BIGINT) AS VARCHAR)
  WHEN abs(x) < 1000000 THEN t_short(x / 1e3) || 'K' WHEN abs(x) < 1000000000 THEN t_short(x / 1e6) || 'M'
  WHEN abs(x) < 1e12 THEN t_short(x / 1e9) || 'B' WHEN abs(x) < 1e15 THEN t_short(x / 1e12) || 'T' ELSE t_short(x / 1e15) || 'Q' END;
CREATE TEMP MACRO t_short(x) AS CASE WHEN abs(x) >= 100 THEN printf('%.0f', x)
  ELSE regexp_replace(printf(CASE WHEN abs(x) >= 10 THEN '%.1f' ELSE '%.2f' END, x), '\.?0+$', '') END;
CREATE TEMP MACRO t_human_seconds(x) AS CASE WHEN round(x) = 0 THEN '0 seconds' ELSE array_to_string(list_filter([
  t_counted(CAST(round(abs(x)) AS BIGINT) // 604800, 'week'), t_counted(CAST(round(abs(x)) AS BIGINT) % 604800 // 86400, 'day'),
  t_counted(CAST(round(abs(x)) AS BIGINT) % 86400 // 3600, 'hour'), t_counted(CAST(round(abs(x)) AS BIGINT) % 3600 // 60, 'minute'),
  t_counted(CAST(round(abs(x)) AS BIGINT) % 60, 'second')], lambda p : p <> ''), ', ') END;
CREATE TEMP MACRO t_counted(n, what) AS CASE n WHEN 0 THEN '' WHEN 1 THEN '1 ' || what ELSE CAST(n AS VARCHAR) || ' ' || what || 's' END;

-- Regular expressions
CREATE TEMP MACRO t_regexp_extract(s, p) AS CASE WHEN regexp_matches(s, p) THEN regexp_extract(s, p) END;
CREATE TEMP MACRO t_regexp_group(s, p, g) AS CASE WHEN regexp_matches(s, p) THEN regexp_extract(s, p, g) END;
CREATE TEMP MACRO t_regexp_count(s, p) AS CAST(len(regexp_extract_all(s, p)) AS BIGINT);
CREATE TEMP MACRO t_regexp_position(s, p) AS CASE WHEN s IS NULL OR p IS NULL THEN NULL WHEN regexp_matches(s, p)
  THEN CAST(length(regexp_extract(s, '(?s)^(.*?)(?:' || p || ')', 1)) + 1 AS INTEGER) ELSE -1 END;
CREATE TEMP MACRO t_regexp_replace(s, p, r) AS regexp_replace(s, p, regexp_replace(r, '\$([0-9])', '\\\1', 'g'), 'g');

-- Binary
CREATE TEMP MACRO t_md5(b) AS unhex(md5(b));
CREATE TEMP MACRO t_sha1(b) AS unhex(sha1(b));
CREATE TEMP MACRO t_sha256(b) AS unhex(sha256(b));
CREATE TEMP MACRO t_to_base64url(b) AS translate(to_base64(b), '+/', '-_');
CREATE TEMP MACRO t_from_base64url(s) AS from_base64(translate(s, '-_', '+/'));
CREATE TEMP MACRO t_to_big_endian_32(x) AS unhex(right(printf('%016X', CAST(x AS BIGINT)), 8));
CREATE TEMP MACRO t_to_big_endian_64(x) AS unhex(printf('%016X', CAST(x AS BIGINT)));
CREATE TEMP MACRO t_from_big_endian_32(b) AS CASE WHEN octet_length(b) <> 4 THEN CAST('!BIG_ENDIAN' AS INTEGER)
  WHEN t_unhexed(hex(b)) >= 2147483648 THEN CAST(t_unhexed(hex(b)) - 4294967296 AS INTEGER) ELSE CAST(t_unhexed(hex(b)) AS INTEGER) END;
CREATE TEMP MACRO t_from_big_endian_64(b) AS CASE WHEN octet_length(b) <> 8 THEN CAST('!BIG_ENDIAN' AS BIGINT)
  WHEN t_unhexed(hex(b)) >= CAST(9223372036854775808 AS HUGEINT) THEN CAST(t_unhexed(hex(b)) - CAST(18446744073709551616 AS HUGEINT) AS BIGINT)
  ELSE CAST(t_unhexed(hex(b)) AS BIGINT) END;
CREATE TEMP MACRO t_unhexed(s) AS list_reduce(list_transform(string_split(lower(s), ''), lambda c : CAST(strpos('0123456789abcdef', c) - 1 AS HUGEINT)), lambda a, d : a * 16 + d);

-- URLs
CREATE TEMP MACRO t_url_encode(s) AS replace(replace(replace(url_encode(s), '%20', '+'), '%2A', '*'), '~', '%7E');
CREATE TEMP MACRO t_url_decode(s) AS url_decode(replace(s, '+', ' '));
CREATE TEMP MACRO t_url_part(u, n) AS CASE WHEN regexp_full_match(u, '[^\s]*')
  THEN nullif(regexp_extract(u, '^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://(?:[^@/?#]*@)?([^:/?#]*)(?::([0-9]+))?)?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$', n), '') END;
CREATE TEMP MACRO t_url_protocol(u) AS t_url_part(u, 1);
CREATE TEMP MACRO t_url_host(u) AS t_url_part(u, 2);
CREATE TEMP MACRO t_url_port(u) AS CAST(t_url_part(u, 3) AS BIGINT);
CREATE TEMP MACRO t_url_path(u) AS CASE WHEN regexp_full_match(u, '[^\s]*') THEN coalesce(t_url_part(u, 4), '') END;
CREATE TEMP MACRO t_url_query(u) AS t_url_part(u, 5);
CREATE TEMP MACRO t_url_fragment(u) AS t_url_part(u, 6);
CREATE TEMP MACRO t_url_parameter(u, p) AS t_url_decode(list_transform(list_filter(string_split(coalesce(t_url_part(u, 5), ''), '&'),
  lambda x : split_part(x, '=', 1) = p), lambda x : CASE WHEN strpos(x, '=') = 0 THEN '' ELSE substring(x, strpos(x, '=') + 1) END)[1]);

-- Dates and times. A timestamp with time zone is read in UTC.
CREATE TEMP MACRO t_local
  (x DATE) AS CAST(x AS TIMESTAMP), (x TIMESTAMP) AS x, (x TIMESTAMPTZ) AS x AT TIME ZONE 'UTC', (x TIME) AS x, (x INTERVAL) AS x;
CREATE TEMP MACRO t_year(x) AS date_part('year', x);
CREATE TEMP MACRO t_quarter(x) AS date_part('quarter', x);
CREATE TEMP MACRO t_month(x) AS date_part('month', x);
CREATE TEMP MACRO t_week(x) AS date_part('week', x);
CREATE TEMP MACRO t_day(x) AS date_part('day', x);
CREATE TEMP MACRO t_dow(x) AS date_part('isodow', x);
CREATE TEMP MACRO t_doy(x) AS date_part('doy', x);
CREATE TEMP MACRO t_yow(x) AS date_part('isoyear', x);
CREATE TEMP MACRO t_hour(x) AS date_part('hour', x);
CREATE TEMP MACRO t_minute(x) AS date_part('minute', x);
CREATE TEMP MACRO t_second(x) AS CAST(date_part('second', x) AS BIGINT);
CREATE TEMP MACRO t_millisecond(x) AS CAST(date_part('millisecond', x) AS BIGINT) % 1000;
CREATE TEMP MACRO t_timezone_hour(x) AS CASE WHEN x IS NOT NULL THEN CAST(0 AS BIGINT) END;
CREATE TEMP MACRO t_timezone_minute(x) AS CASE WHEN x IS NOT NULL THEN CAST(0 AS BIGINT) END;
CREATE TEMP MACRO t_last_day(x) AS last_day(CAST(x AS DATE));
CREATE TEMP MACRO t_iso_date(s) AS CASE WHEN regexp_full_match(s, '[0-9]{4}-[0-9]{2}-[0-9]{2}') THEN CAST(s AS DATE)
  WHEN regexp_full_match(s, '[0-9]{4}-W[0-9]{2}(-[1-7])?') THEN CAST(strptime(CASE WHEN length(s) = 8 THEN s || '-1' ELSE s END, '%G-W%V-%u') AS DATE)
  WHEN regexp_full_match(s, '[0-9]{4}-[0-9]{3}') THEN CAST(strptime(s, '%Y-%j') AS DATE)
  WHEN s IS NOT NULL THEN CAST('!ISO_DATE' AS DATE) END;
CREATE TEMP MACRO t_iso_timestamp(s) AS CASE WHEN regexp_full_match(s, '[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}(:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?')
  THEN CAST(s AS TIMESTAMPTZ) WHEN s IS NOT NULL THEN CAST('!ISO_TIMESTAMP' AS TIMESTAMPTZ) END;
CREATE TEMP MACRO t_from_unixtime_nanos(n) AS make_timestamptz(CAST(n AS BIGINT) // 1000);
CREATE TEMP MACRO t_to_unixtime(x) AS epoch(x);
CREATE TEMP MACRO t_to_milliseconds(x) AS CAST(round(date_part('epoch', x) * 1000) AS BIGINT);
CREATE TEMP MACRO t_current_timezone() AS 'UTC';

-- Arrays
CREATE TEMP MACRO t_subscript(a, i) AS a[CASE WHEN a IS NULL OR i IS NULL THEN NULL WHEN i BETWEEN 1 AND len(a) THEN CAST(i AS BIGINT)
  WHEN i = 0 THEN CAST('!SUBSCRIPT_ZERO' AS BIGINT) WHEN i < 0 THEN CAST('!SUBSCRIPT_NEGATIVE' AS BIGINT) ELSE CAST('!SUBSCRIPT' AS BIGINT) END];
CREATE TEMP MACRO t_element_at(a, i) AS a[CASE WHEN i = 0 THEN CAST('!SUBSCRIPT_ZERO' AS BIGINT) ELSE CAST(i AS BIGINT) END];
CREATE TEMP MACRO t_array_first(a) AS a[1];
CREATE TEMP MACRO t_array_last(a) AS a[-1];
CREATE TEMP MACRO t_has_null(a) AS len(list_filter(a, lambda x : x IS NULL)) > 0;
CREATE TEMP MACRO t_array_max(a) AS CASE WHEN NOT t_has_null(a) THEN list_aggregate(a, 'max') END;
CREATE TEMP MACRO t_array_min(a) AS CASE WHEN NOT t_has_null(a) THEN list_aggregate(a, 'min') END;
CREATE TEMP MACRO t_array_distinct(a) AS list_filter(a, lambda x, i : coalesce(
  len(list_filter(list_slice(a, 1, i - 1), lambda y : y IS NOT DISTINCT FROM x)), 0) = 0);
CREATE TEMP MACRO t_in(a, x) AS len(list_filter(a, lambda y : y IS NOT DISTINCT FROM x)) > 0;
CREATE TEMP MACRO t_array_except(a, b) AS CASE WHEN b IS NOT NULL THEN list_filter(t_array_distinct(a), lambda x : NOT t_in(b, x)) END;
CREATE TEMP MACRO t_array_intersect(a, b) AS CASE WHEN b IS NOT NULL THEN list_filter(t_array_distinct(a), lambda x : t_in(b, x)) END;
CREATE TEMP MACRO t_array_union(a, b) AS CASE WHEN a IS NOT NULL AND b IS NOT NULL THEN t_array_distinct(list_concat(a, b)) END;
CREATE TEMP MACRO t_arrays_overlap(a, b) AS CASE WHEN a IS NULL OR b IS NULL THEN NULL WHEN list_has_any(list_filter(a, lambda x : x IS NOT NULL), b) THEN true
  WHEN len(a) > 0 AND len(b) > 0 AND (t_has_null(a) OR t_has_null(b)) THEN NULL ELSE false END;
CREATE TEMP MACRO t_array_position(a, x) AS CASE WHEN a IS NOT NULL AND x IS NOT NULL THEN CAST(coalesce(list_position(a, x), 0) AS BIGINT) END;
CREATE TEMP MACRO t_array_remove(a, x) AS CASE WHEN x IS NOT NULL THEN list_filter(a, lambda y : y IS NULL OR y <> x) END;
CREATE TEMP MACRO t_contains(a, x) AS CASE WHEN a IS NULL OR x IS NULL THEN NULL WHEN list_contains(a, x) THEN true WHEN t_has_null(a) THEN NULL ELSE false END;
CREATE TEMP MACRO t_ngrams(a, n) AS CASE WHEN n <= 0 THEN CAST('!NGRAMS' AS INTEGER)::VARCHAR::VARCHAR[]::VARCHAR[][] WHEN len(a) <= n THEN [a]
  ELSE list_transform(generate_series(1, len(a) - n + 1), lambda i : list_slice(a, i, i + n - 1)) END;
CREATE TEMP MACRO t_repeat(x, n) AS CASE WHEN n IS NOT NULL THEN list_transform(range(CAST(n AS BIGINT)), lambda i : x) END;
CREATE TEMP MACRO t_sequence(a, b) AS generate_series(a, b, CASE WHEN b < a THEN -1 ELSE 1 END);
CREATE TEMP MACRO t_sequence_by(a, b, step) AS generate_series(a, b, CASE WHEN step = 0 OR (b > a AND step < 0) OR (b < a AND step > 0) THEN CAST('!SEQUENCE' AS BIGINT) ELSE step END);
CREATE TEMP MACRO t_shuffle(a) AS list_transform(list_sort(list_transform(a, lambda x : {'r': random(), 'x': x})), lambda s : s.x);
CREATE TEMP MACRO t_slice(a, start, size) AS CASE WHEN a IS NULL OR start IS NULL OR size IS NULL THEN NULL
  ELSE list_slice(a, CASE WHEN size < 0 THEN CAST('!SLICE' AS BIGINT) WHEN start = 0 THEN CAST('!SUBSCRIPT_ZERO' AS BIGINT)
    WHEN start > 0 THEN start WHEN -start > len(a) THEN len(a) + 1 ELSE len(a) + start + 1 END,
  CASE WHEN start > 0 THEN start + size - 1 WHEN -start > len(a) THEN len(a) ELSE len(a) + start + size END) END;
CREATE TEMP MACRO t_trim_array(a, n) AS list_slice(a, 1, CASE WHEN n < 0 OR n > len(a) THEN CAST('!TRIM_ARRAY' AS BIGINT) ELSE len(a) - n END);
CREATE TEMP MACRO t_up_to(n) AS range(1, CAST(n AS BIGINT) + 1);
CREATE TEMP MACRO t_join_nulls(a, separator, missing) AS array_to_string(list_transform(a, lambda x : coalesce(x, missing)), separator);
CREATE TEMP MACRO t_any_true(a) AS CASE WHEN a IS NULL THEN NULL WHEN len(list_filter(a, lambda x : x)) > 0 THEN true WHEN t_has_null(a) THEN NULL ELSE false END;
CREATE TEMP MACRO t_all_true(a) AS CASE WHEN a IS NULL THEN NULL WHEN len(list_filter(a, lambda x : NOT x)) > 0 THEN false WHEN t_has_null(a) THEN NULL ELSE true END;
CREATE TEMP MACRO t_none_true(a) AS NOT t_any_true(a);
CREATE TEMP MACRO t_euclidean(a, b) AS sqrt(list_sum(list_transform(a, lambda x, i : pow(x - b[i], 2))));
CREATE TEMP MACRO t_dot_product(a, b) AS CAST(list_sum(list_transform(a, lambda x, i : x * b[i])) AS DOUBLE);

-- Maps
CREATE TEMP MACRO t_map_get(m, k) AS map_extract(m, k)[CASE WHEN m IS NULL OR k IS NULL OR map_contains(m, k) THEN 1 ELSE CAST('!KEY' AS BIGINT) END];
CREATE TEMP MACRO t_map_find(m, k) AS map_extract(m, k)[1];
CREATE TEMP MACRO t_map_entries(m) AS list_transform(map_entries(m), lambda e : {'field0': e.key, 'field1': e.value});
CREATE TEMP MACRO t_map_from_entries(a) AS map_from_entries(a);
CREATE TEMP MACRO t_firsts(pairs) AS list_filter(pairs, lambda p, i : p.k IS NOT NULL AND list_position(list_transform(pairs, lambda q : q.k), p.k) = i);
CREATE TEMP MACRO t_map_agg(pairs) AS map_from_entries(t_firsts(pairs));
CREATE TEMP MACRO t_multimap_agg(pairs) AS map_from_entries(list_transform(t_firsts(pairs),
  lambda p : {'k': p.k, 'v': list_transform(list_filter(pairs, lambda q : q.k = p.k), lambda q : q.v)}));
CREATE TEMP MACRO t_map_union(maps) AS t_map_agg(list_transform(flatten(list_transform(maps, lambda m : map_entries(m))), lambda e : {'k': e.key, 'v': e.value}));
CREATE TEMP MACRO t_histogram(m) AS map_from_entries(list_transform(map_entries(m), lambda e : {'k': e.key, 'v': CAST(e.value AS BIGINT)}));

-- JSON
CREATE TEMP MACRO t_json_parse(s) AS CASE WHEN json_valid(s) THEN json(s) WHEN s IS NOT NULL THEN CAST('!JSON' AS INTEGER)::VARCHAR::JSON END;
CREATE TEMP MACRO t_json_format(j) AS CAST(j AS VARCHAR);
CREATE TEMP MACRO t_json_extract(j, p) AS CASE WHEN json_valid(j) THEN json_extract(j, p) END;
CREATE TEMP MACRO t_json_extract_scalar(j, p) AS CASE WHEN json_valid(j) AND json_type(j, p) NOT IN ('OBJECT', 'ARRAY', 'NULL') THEN json_extract_string(j, p) END;
CREATE TEMP MACRO t_json_array_length(j) AS CASE WHEN json_valid(j) AND json_type(j) = 'ARRAY' THEN CAST(json_array_length(j) AS BIGINT) END;
CREATE TEMP MACRO t_json_array_get(j, i) AS CASE WHEN json_valid(j) AND json_type(j) = 'ARRAY'
  THEN list_extract(json_extract(j, '$[*]'), CASE WHEN i >= 0 THEN i + 1 ELSE i END) END;
CREATE TEMP MACRO t_json_array_contains(j, x) AS CASE WHEN json_valid(j) AND json_type(j) = 'ARRAY' THEN list_contains(json_extract(j, '$[*]'), x) END;
CREATE TEMP MACRO t_json_size(j, p) AS CASE WHEN NOT json_valid(j) THEN NULL WHEN json_type(j, p) = 'OBJECT' THEN CAST(len(json_keys(j, p)) AS BIGINT)
  WHEN json_type(j, p) = 'ARRAY' THEN CAST(json_array_length(j, p) AS BIGINT) WHEN json_type(j, p) IS NOT NULL THEN CAST(0 AS BIGINT) END;
CREATE TEMP MACRO t_is_json_scalar(j) AS CASE WHEN json_valid(j) THEN json_type(j) NOT IN ('OBJECT', 'ARRAY') END;
