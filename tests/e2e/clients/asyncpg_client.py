"""asyncpg: introspection of types, prepared statements, cursors, COPY, LISTEN, timeouts that cancel."""
import asyncio
import os

import asyncpg


async def main():
    connection = await asyncpg.connect(host=os.environ["HOST"], user=os.environ["DBUSER"], database="app",
                                       password=os.environ.get("PASSWORD"), ssl=False)
    print(await connection.fetch("SELECT id, name FROM users WHERE id = ANY($1::int[]) ORDER BY id", [1, 2, 3]))
    statement = await connection.prepare("SELECT $1::numeric / 3, $2::timestamptz IS NULL")
    for i in range(3):
        print(await statement.fetchrow(i, None))
    async with connection.transaction():
        await connection.execute("CREATE TEMP TABLE t (a int, b text[])")
        await connection.executemany("INSERT INTO t VALUES ($1, $2)", [(i, [str(i)]) for i in range(50)])
        print(sum([row["a"] async for row in connection.cursor("SELECT a FROM t", prefetch=7)]))
    await connection.execute("DROP TABLE IF EXISTS asyncpg_c; CREATE TABLE asyncpg_c (a int, b text)")
    print(await connection.copy_records_to_table("asyncpg_c", records=[(i, "x") for i in range(1000)]))
    await connection.execute("DROP TABLE asyncpg_c")
    try:
        await connection.fetch("SELECT pg_sleep(30)", timeout=0.5)
    except asyncio.TimeoutError:
        print("timeout")
    print(await connection.fetchval("SELECT 'still here'"))
    try:
        await connection.execute("SELECT * FROM no_such")
    except asyncpg.PostgresError as error:
        print(error.sqlstate, error)
    heard = asyncio.Queue()
    await connection.add_listener("news", lambda *args: heard.put_nowait(args[2:]))
    await connection.execute("NOTIFY news, 'hello'")
    print(await asyncio.wait_for(heard.get(), 5))
    await connection.close()


asyncio.run(main())
