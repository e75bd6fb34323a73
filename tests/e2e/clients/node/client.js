// node's pg: simple, parametrised, named, errors inside a transaction, a cursorless large result, notifications.
const { Client } = require('pg');

async function main() {
  const client = new Client({ host: process.env.HOST, user: process.env.DBUSER, password: process.env.PASSWORD,
                              database: 'app', port: 5432 });
  await client.connect();
  const show = (label, value) => console.log(label, JSON.stringify(value));
  show('simple', (await client.query('SELECT 1 AS one; SELECT 2 AS two')).map((r) => r.rows));
  show('params', (await client.query('SELECT $1::int + $2::int AS sum, $3::text AS t', [20, 22, "it's"])).rows);
  for (let i = 0; i < 3; i++)
    show('named', (await client.query({ name: 'by-id', text: 'SELECT name FROM users WHERE id = $1', values: [i + 1] })).rows);
  await client.query('BEGIN');
  try {
    await client.query('SELECT * FROM no_such_table');
  } catch (error) {
    show('error', [error.code, error.message, error.position]);
  }
  try {
    await client.query('SELECT 1');
  } catch (error) {
    show('aborted', [error.code, error.message]);
  }
  await client.query('ROLLBACK');
  show('large', (await client.query('SELECT i, repeat(\'x\', 100) AS pad FROM generate_series(1, 20000) i')).rows.length);
  const heard = new Promise((resolve) => client.on('notification', (n) => resolve([n.channel, n.payload])));
  await client.query('LISTEN news');
  await client.query("NOTIFY news, 'hello'");
  show('notification', await heard);
  const many = await Promise.all([1, 2, 3, 4].map((n) => client.query('SELECT $1::int * 10 AS n', [n])));
  show('queued', many.map((r) => r.rows));
  await client.end();
}

main().catch((error) => { console.error(error); process.exit(1); });
