-- Trino documentation: JSON functions and operators, "Cast to JSON" and "Cast from JSON" included.
SELECT json_extract('{"a": {"b": [1, 2]}}', '$.a.b'), json_extract('{"a": 1}', '$.z'); -- ["[1,2]", null]
SELECT json_extract_scalar('{"a": {"b": [1, 2]}}', '$.a.b[1]'), json_extract_scalar('{"a": "x"}', '$.a'); -- ["2", "x"]
SELECT json_extract_scalar('[1, 2, 3]', '$[2]'), json_extract_scalar('{"a": [1]}', '$.a'); -- ["3", null]
SELECT json_extract_scalar('{"a b": 1}', '$["a b"]'), json_extract_scalar('{"a": null}', '$.a'); -- ["1", null]
SELECT json_extract_scalar('{"a": true, "b": 1.5}', '$.a'), json_extract_scalar('{"b": 1.5}', '$.b'); -- ["true", "1.5"]
SELECT json_extract('not json', '$.a'), json_extract_scalar('{', '$.a'); -- [null, null]
SELECT json_extract('{"a":1}', '$.*'); -- NOT_SUPPORTED: A JSON path with wildcards or filters is not supported
SELECT json_extract('{"a":1}', '$.['); -- INVALID_FUNCTION_ARGUMENT: Invalid JSON path
SELECT json_parse('{"b": 1, "a": [1, 2]}'); -- ["{\"b\":1,\"a\":[1,2]}"]
SELECT json_parse('not json'); -- INVALID_FUNCTION_ARGUMENT: Cannot convert value to JSON
SELECT json_format(JSON '{"a": 1}'), json_format(json_parse('[1,2]')); -- ["{\"a\":1}", "[1,2]"]
SELECT json_array_length('[1, 2, 3]'), json_array_length('{}'); -- ["3", null]
SELECT json_array_contains('[1, 2, 3]', 2), json_array_contains('["a"]', 'a'), json_array_contains('[1]', 9); -- ["true", "true", "false"]
SELECT json_array_get('["a", "b"]', 0), json_array_get('["a", "b"]', -1), json_array_get('[1]', 5); -- ["\"a\"", "\"b\"", null]
SELECT json_size('{"x": {"a": 1, "b": 2}}', '$.x'), json_size('{"x": [1, 2, 3]}', '$.x'), json_size('{"x": 1}', '$.x'); -- ["2", "3", "0"]
SELECT is_json_scalar('1'), is_json_scalar('[1]'), is_json_scalar('"a"'); -- ["true", "false", "true"]
SELECT CAST(1 AS json), CAST('abc' AS json), CAST(true AS json), CAST(1.5e0 AS json); -- ["1", "\"abc\"", "true", "1.5"]
SELECT CAST(ARRAY[1, 2] AS json), CAST(MAP(ARRAY['k'], ARRAY[1]) AS json); -- ["[1,2]", "{\"k\":1}"]
SELECT CAST(JSON '"abc"' AS varchar), CAST(JSON '1' AS integer), CAST(JSON 'true' AS boolean), CAST(JSON '1.5' AS double); -- ["abc", "1", "true", "1.5"]
SELECT CAST(JSON '[1, 2]' AS array(integer)), CAST(JSON '{"a": 1}' AS map(varchar, integer)); -- ["[1, 2]", "{a=1}"]
SELECT CAST(JSON '{"v1": 123, "v2": "abc"}' AS ROW(v1 bigint, v2 varchar)); -- ["{v1=123, v2=abc}"]
SELECT CAST(json_extract('{"a": [1, 2, 3]}', '$.a') AS array(bigint))[2]; -- ["2"]
SELECT x FROM UNNEST(CAST(json_parse('[1, 2]') AS array(integer))) AS t(x); -- ["1"] ["2"]
SELECT json_value('{"a":1}', 'lax $.a'); -- NOT_SUPPORTED: The function json_value (SQL/JSON; use json_extract and json_extract_scalar) is not supported
SELECT json_query('{"a":1}', 'lax $.a'); -- NOT_SUPPORTED: The function json_query (SQL/JSON; use json_extract and json_extract_scalar) is not supported
SELECT json_exists('{"a":1}', 'lax $.a'); -- NOT_SUPPORTED: The function json_exists (SQL/JSON; use json_extract and json_extract_scalar) is not supported
