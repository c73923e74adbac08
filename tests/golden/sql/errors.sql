-- Trino documentation: SELECT; Aggregate functions; Conditional expressions. Errors in the words of Trino's analyser, class and position first.
SELECT a, count(*) FROM (VALUES (1, 'x')) t(a, b); -- EXPRESSION_NOT_AGGREGATE: line 1:8: 'a' must be an aggregate expression or appear in GROUP BY clause
SELECT b, a + 1, max(a) FROM (VALUES (1, 'x')) t(a, b) GROUP BY b; -- EXPRESSION_NOT_AGGREGATE: line 1:11: 'a + 1' must be an aggregate expression or appear in GROUP BY clause
SELECT a FROM (VALUES 1) t(a) HAVING a > 1; -- EXPRESSION_NOT_AGGREGATE: line 1:8: 'a' must be an aggregate expression or appear in GROUP BY clause
SELECT sum(b) FROM (VALUES (1, 'x')) t(a, b); -- FUNCTION_NOT_FOUND: line 1:8: Unexpected parameters (varchar) for function sum
SELECT lower(a) FROM (VALUES 1) t(a); -- FUNCTION_NOT_FOUND: line 1:8: Unexpected parameters (integer) for function lower
SELECT substr('x'); -- FUNCTION_NOT_FOUND: line 1:8: Unexpected parameters for function substr
SELECT a FROM (VALUES 1) t(a) WHERE count(*) > 1; -- EXPRESSION_NOT_SCALAR: line 1:37: WHERE clause cannot contain aggregations, window functions or grouping operations: [count(*)]
SELECT a FROM (VALUES 1) t(a) WHERE row_number() OVER () = 1; -- EXPRESSION_NOT_SCALAR: line 1:37: WHERE clause cannot contain aggregations, window functions or grouping operations: [row_number() OVER ()]
SELECT row_number() FROM (VALUES 1) t(a); -- MISSING_OVER: line 1:8: Window function row_number requires an OVER clause
SELECT sum(count(*)) FROM (VALUES 1) t(a); -- NESTED_AGGREGATION: line 1:8: Cannot nest aggregations inside aggregation 'sum': [count(*)]
SELECT a FROM (VALUES 1) t(a) ORDER BY 5; -- INVALID_COLUMN_REFERENCE: ORDER BY position 5 is not in select list
SELECT a FROM (VALUES 1) t(a) GROUP BY 3; -- INVALID_COLUMN_REFERENCE: GROUP BY position 3 is not in select list
SELECT 1 UNION SELECT 1, 2; -- TYPE_MISMATCH: line 1:23: UNION query has different number of fields: 1, 2
SELECT 1 UNION SELECT 'x'; -- TYPE_MISMATCH: line 1:23: column 1 in UNION query has incompatible types: integer, varchar
SELECT CASE WHEN true THEN 'x' ELSE 2 END; -- TYPE_MISMATCH: line 1:28: All CASE results must be the same type or coercible to a common type. Cannot find common type between varchar and integer
SELECT if(true, 'x', 2); -- TYPE_MISMATCH: line 1:8: Result types for IF must be the same: varchar, integer
SELECT coalesce(1, 'x'); -- TYPE_MISMATCH: line 1:8: All COALESCE operands must be the same type or coercible to a common type. Cannot find common type between integer and varchar
SELECT (SELECT a, b FROM (VALUES (1, 2)) u(a, b)); -- NOT_SUPPORTED: line 1:16: A subquery of 2 columns as a value is not supported
SELECT a FROM (VALUES 1) t(a) JOIN (VALUES 1) u(a) ON t.a = u.a; -- AMBIGUOUS_NAME: line 1:8: Column 'a' is ambiguous
SELECT * FROM (VALUES 1) t(a) JOIN (VALUES 1) u(b) USING (b); -- COLUMN_NOT_FOUND: line 1:59: Column 'b' cannot be resolved or requester is not authorized to access requested resources
SELECT a FROM (VALUES 1) t(a) WHERE a; -- TYPE_MISMATCH: line 1:37: WHERE clause must evaluate to a boolean: actual type integer
SELECT a FROM (VALUES 1) t(a) WHERE NOT a; -- TYPE_MISMATCH: line 1:41: Value of logical NOT expression must evaluate to a boolean (actual: integer)
SELECT a FROM (VALUES 1) t(a) WHERE a = 1 AND a; -- TYPE_MISMATCH: line 1:47: Logical expression term must evaluate to a boolean (actual: integer)
SELECT a FROM (VALUES 1) t(a) JOIN (VALUES 1) u(b) ON b; -- TYPE_MISMATCH: line 1:55: JOIN ON clause must evaluate to a boolean: actual type integer
SELECT CAST(current_date AS integer); -- TYPE_MISMATCH: line 1:1: Cannot cast date to integer
SELECT -b FROM (VALUES 'x') t(b); -- TYPE_MISMATCH: line 1:9: Cannot negate varchar
SELECT a LIKE 'x' FROM (VALUES 1) t(a); -- TYPE_MISMATCH: line 1:8: Left side of LIKE expression must evaluate to a varchar (actual: integer)
SELECT a.x FROM (VALUES 1) t(a); -- TYPE_MISMATCH: line 1:8: Expression a is not of type ROW
SELECT b || a FROM (VALUES (1, 'x')) t(a, b); -- FUNCTION_NOT_FOUND: line 1:8: Unexpected parameters (varchar, integer) for function concat
SELECT lower(DISTINCT b) FROM (VALUES 'x') t(b); -- FUNCTION_NOT_AGGREGATE: line 1:8: DISTINCT is not supported for non-aggregation functions
SELECT count(*) c FROM (VALUES 1) t(a) HAVING c > 1; -- COLUMN_NOT_FOUND: line 1:47: Column 'c' cannot be resolved or requester is not authorized to access requested resources
WITH x AS (SELECT 1), x AS (SELECT 2) SELECT * FROM x; -- DUPLICATE_NAMED_QUERY: WITH query name 'x' specified more than once
SELECT 1 FROM a.b.c.d; -- SYNTAX_ERROR: line 1:15: Too many dots in table name
SELECT 1, FROM (VALUES 1) t(a); -- SYNTAX_ERROR: line 1:11: mismatched input 'FROM'
SELECT 1 FROM (VALUES 1) t(a) WHERE; -- SYNTAX_ERROR: line 1:36: mismatched input '<EOF>'
SELECT * AS x FROM (VALUES 1) t(a); -- SYNTAX_ERROR: line 1:1: mismatched input 'x'
SELECT (t.*) FROM (VALUES 1) t(a); -- SYNTAX_ERROR: line 1:1: mismatched input '*'
SELECT UNNEST(ARRAY[1]); -- SYNTAX_ERROR: line 1:1: UNNEST is a relation, not a value
(1) UNION ALL (SELECT 2); -- SYNTAX_ERROR: line 1:1: a set operation is of queries
SELECT * FROM (ARRAY[1]) t(a); -- SYNTAX_ERROR: line 1:1: a query is expected within the parentheses
SELECT * FROM (SELECT 1 a, 2 a); -- NOT_SUPPORTED: A star over columns of the same name is not supported
SELECT a % 2, count(*) FROM (VALUES 1, 2, 3) t(a) GROUP BY a % 2 HAVING count(*) > 1; -- ["1", "2"]
SELECT a, sum(count(*)) OVER () FROM (VALUES 1, 1, 2) t(a) GROUP BY a ORDER BY a; -- ["1", "3"] ["2", "3"]
SELECT max(a) FILTER (WHERE a < 3), (SELECT max(b) FROM (VALUES 7) u(b)) FROM (VALUES 1, 2, 3) t(a); -- ["2", "7"]
SELECT 1 UNION ALL SELECT 1.5 UNION ALL SELECT NULL; -- ["1.0"] ["1.5"] [null]
(SELECT 1 a, 2 b); -- ["1", "2"]
SELECT 1 WHERE (1, 2) IN (SELECT 1, 2); -- ["1"]
SELECT 1 WHERE EXISTS (SELECT 1, 2); -- ["1"]
SELECT 1 + (SELECT 1, 2); -- NOT_SUPPORTED: line 1:20: A subquery of 2 columns as a value is not supported
SELECT a FROM (VALUES 1) t (a) JOIN (VALUES 1) u (a) ON t.a = u LATERAL . a; -- SYNTAX_ERROR: line 1:1: mismatched input '.'
