// usage: node undici.js URL   undici's own API: request, stream, pipeline, and a pool that pipelines; HTTP/2 where it can.
const undici = require('undici');
const {PassThrough, Readable} = require('stream');
const base = process.argv[2];

async function bytes(stream) {
  const parts = [];
  for await (const part of stream) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

async function main() {
  const one = await undici.request(base + '/echo?a', {headers: {'x-test': 'yes'}});
  console.log(one.statusCode, await one.body.json());
  const put = await undici.request(base + '/echo', {method: 'PUT', body: Readable.from(['stream', 'ed'])});
  console.log(put.statusCode, await put.body.json());

  const through = new PassThrough();
  const size = bytes(through).then(all => all.length);
  await undici.stream(base + '/large', {method: 'GET'}, () => through);
  console.log(await size);

  const answered = Readable.from(['piped']).pipe(undici.pipeline(base + '/echo', {method: 'POST'}, ({body}) => body));
  console.log(JSON.parse(await bytes(answered)));

  const origin = new URL(base).origin;
  const pool = new undici.Pool(origin, {connections: 2, pipelining: 6});
  const paths = Array.from({length: 60}, (_, i) => `/echo?${i}`);
  console.log(await Promise.all(paths.map(async path => (await (await pool.request({path, method: 'GET'})).body.json()).url)));
  await pool.close();

  if (base.startsWith('https:') && Number(require('undici/package.json').version.split('.')[0]) >= 6) {
    const client = new undici.Client(origin, {allowH2: true});
    const many = await Promise.all(paths.map(path => client.request({path, method: 'GET'})));
    console.log(await Promise.all(many.map(async ({statusCode, body}) => [statusCode, (await body.json()).url])));
    await client.close();
  }
  console.log('done');
}

main().catch(error => { console.log(error); process.exit(1); });
