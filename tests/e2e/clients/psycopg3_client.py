"""psycopg 3: pipelines, server-side prepare and DEALLOCATE, binary parameters, COPY, streaming, nested transactions."""
import os

import psycopg

parameters = dict(host=os.environ["HOST"], user=os.environ["DBUSER"], dbname="app")
if os.environ.get("PASSWORD"):
    parameters["password"] = os.environ["PASSWORD"]
with psycopg.connect(**parameters) as connection:
    connection.prepare_threshold = 1
    connection.prepared_max = 3
    connection.execute("CREATE TEMP TABLE t (a int PRIMARY KEY, b text)")
    for i in range(12):  # more texts than prepared_max: the oldest are deallocated
        print(connection.execute(f"SELECT %s + {i}", (i,), prepare=True).fetchone())
        connection.execute(f"SELECT %s + {i}", (i,), prepare=True)
    with connection.pipeline() as pipeline:
        cursors = [connection.execute("INSERT INTO t VALUES (%s, %s)", (i, f"row {i}")) for i in range(20)]
        pipeline.sync()
        print([c.rowcount for c in cursors])
    try:
        with connection.transaction(), connection.pipeline():
            connection.execute("INSERT INTO t VALUES (100, 'x')")
            connection.execute("INSERT INTO t VALUES (1, 'duplicate')")
            connection.execute("INSERT INTO t VALUES (101, 'x')")
    except psycopg.Error as error:
        print(type(error).__name__, error.sqlstate)
    with connection.transaction():
        try:
            with connection.transaction():
                connection.execute("SELECT 1/0")
        except psycopg.errors.DivisionByZero as error:
            print(error.sqlstate)
        print(connection.execute("SELECT count(*) FROM t").fetchone())
    cursor = connection.cursor()
    with cursor.copy("COPY t (a, b) FROM STDIN") as copy:
        for i in range(200, 1200):
            copy.write_row((i, "x" * 50))
    with cursor.copy("COPY (SELECT a FROM t ORDER BY a) TO STDOUT (FORMAT BINARY)") as copy:
        copy.set_types(["int4"])
        print(sum(row[0] for row in copy.rows()))
    try:
        with cursor.copy("COPY t (a, b) FROM STDIN") as copy:
            copy.write_row((300, "duplicate"))
    except psycopg.Error as error:
        print(type(error).__name__)
    connection.rollback()
    print(len(list(connection.cursor().stream("SELECT generate_series(1, 3000)"))))
    print(connection.execute("SELECT %b::int4, %b::text", (7, "binary")).fetchone())
    with connection.cursor(name="server_side") as server:
        server.execute("SELECT generate_series(1, 1000)")
        print(len(server.fetchmany(100)), len(server.fetchall()))
    print(connection.info.server_version, connection.info.encoding)
