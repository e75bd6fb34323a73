\set VERBOSITY verbose
\set SHOW_CONTEXT always
SELECT id, name FROM users ORDER BY id LIMIT 3;
SELECT 1 AS a \; SELECT 2 AS b \; SELECT 'three' AS c;
SELECT * FROM no_such_table;
SELEC 1;
BEGIN;
SELECT 1/0;
SELECT 1;
COMMIT;
CREATE TEMP TABLE t (a int, b text);
\copy t from stdin
1	one
2	two
\.
\copy t to stdout
COPY t FROM STDIN \; SELECT count(*) FROM t;
3	three
\.
PREPARE p(int) AS SELECT b FROM t WHERE a = $1;
EXECUTE p(2);
DEALLOCATE p;
EXECUTE p(2);
DECLARE c CURSOR WITH HOLD FOR SELECT * FROM t ORDER BY a;
FETCH 2 FROM c;
CLOSE c;
SELECT 'typed' AS x \gdesc
\d users
\dt
DO $$ BEGIN RAISE NOTICE 'a notice from %', current_database(); END $$;
LISTEN news;
NOTIFY news, 'hello';
SHOW standard_conforming_strings;
SHOW client_encoding;
SET client_encoding = 'LATIN1';
SELECT 'caf' || chr(233);
RESET client_encoding;
\echo done
