"""psycopg2: autocommit and transactions, named cursors, COPY both ways, notifications, cancel, errors."""
import io
import os
import select
import threading

import psycopg2

connection = psycopg2.connect(host=os.environ["HOST"], user=os.environ["DBUSER"], password=os.environ.get("PASSWORD"),
                              dbname="app")
cursor = connection.cursor()
cursor.execute("SELECT id, name FROM users WHERE id < %s ORDER BY id", (4,))
print(cursor.fetchall(), cursor.description[0].name)
cursor.execute("CREATE TEMP TABLE t (a int, b text)")
cursor.copy_expert("COPY t FROM STDIN", io.StringIO("".join(f"{i}\trow {i}\n" for i in range(5000))))
out = io.StringIO()
cursor.copy_expert("COPY (SELECT * FROM t ORDER BY a) TO STDOUT", out)
print(len(out.getvalue()), out.getvalue()[:30].replace("\n", "|"))
named = connection.cursor("portal")
named.itersize = 700
named.execute("SELECT a FROM t ORDER BY a")
print(sum(row[0] for row in named))
named.close()
try:
    cursor.copy_expert("COPY t FROM STDIN", io.StringIO("not a number\tx\n"))
except psycopg2.Error as error:
    print(error.pgcode, error.diag.message_primary)
connection.rollback()
try:
    cursor.execute("SELECT 1/0")
except psycopg2.Error as error:
    print(error.pgcode, error)
connection.rollback()
connection.autocommit = True
cursor.execute("LISTEN news")
cursor.execute("NOTIFY news, 'hello'")
select.select([connection], [], [], 5)
connection.poll()
print([(n.channel, n.payload) for n in connection.notifies])
threading.Timer(0.5, connection.cancel).start()
try:
    cursor.execute("SELECT pg_sleep(30)")
except psycopg2.Error as error:
    print(error.pgcode, error)
cursor.execute("SELECT 'still here'")
print(cursor.fetchone(), connection.server_version, connection.encoding)
connection.close()
