"""asyncpg under a rule on sql.params: every value in binary form, of types that only the server has said."""
import asyncio
import datetime
import decimal
import os
import uuid

import asyncpg

ALLOWED = [
    ("SELECT $1::int", 4712),
    ("SELECT $1::bigint", -1),
    ("SELECT $1::smallint", 7),
    ("SELECT $1::text", "text"),
    ("SELECT $1::numeric", decimal.Decimal("47.11")),
    ("SELECT $1::float8", 0.5),
    ("SELECT $1::bool", True),
    ("SELECT $1::uuid", uuid.UUID(int=4711)),
    ("SELECT $1::timestamptz", datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)),
    ("SELECT $1::date", datetime.date(2026, 1, 2)),
    ("SELECT $1::bytea", b"\xff"),
    ("SELECT $1::jsonb", '{"a": 1}'),
    ("SELECT $1::int[]", [1, None, 3]),
    ("SELECT $1::int", None),
]
DENIED = [("SELECT $1::int", 4711), ("SELECT $1::bigint", 4711), ("SELECT $1::text", "4711"),
          ("SELECT $1::numeric", decimal.Decimal(4711)), ("SELECT name FROM users WHERE id = $1", 4711)]


async def main():
    connection = await asyncpg.connect(host=os.environ["HOST"], user=os.environ["DBUSER"], database="app",
                                       password=os.environ.get("PASSWORD"), ssl=False)
    for sql, value in ALLOWED:
        assert await connection.fetchval(sql, value) == value, sql
    for sql, value in DENIED:
        try:
            await connection.fetch(sql, value)
            raise SystemExit(f"{sql} with {value!r} was not denied")
        except asyncpg.InsufficientPrivilegeError as error:
            assert error.message == "not this one", error
    # One statement, prepared once; and many values in one batch, of which one is denied.
    statement = await connection.prepare("SELECT $1::int + 1")
    print([await statement.fetchval(n) for n in (4710, 4712)])
    try:
        await statement.fetchval(4711)
    except asyncpg.InsufficientPrivilegeError as error:
        print(error.message)
    await connection.execute("CREATE TEMP TABLE t (n int)")
    await connection.executemany("INSERT INTO t VALUES ($1)", [(n,) for n in range(4000, 4200)])
    try:
        await connection.executemany("INSERT INTO t VALUES ($1)", [(n,) for n in range(4700, 4720)])
    except asyncpg.InsufficientPrivilegeError as error:
        print(error.message)
    print(await connection.fetchval("SELECT count(*) FROM t"))
    # A type of the database's own is not decoded: a rule that reads it denies.
    try:
        await connection.fetchval("SELECT $1::mood", "ok")
    except asyncpg.InsufficientPrivilegeError as error:
        print("not evaluated" if "could not be evaluated" in error.message else error.message)
    print(await connection.fetchval("SELECT 'still here'"))
    await connection.close()


asyncio.run(main())
