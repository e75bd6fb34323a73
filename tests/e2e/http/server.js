// A server for what clients do: echoes what it was asked, streams, redirects. Every request is a line of its log.
// usage: node server.js PORT LOG CERTIFICATES; TLS at PORT + 1000
const crypto = require('crypto'), fs = require('fs'), http = require('http'), https = require('https'), zlib = require('zlib');
const [port, log, tls] = [Number(process.argv[2]), process.argv[3], process.argv[4]];
const large = Buffer.alloc(10 << 20);
for (let i = 0; i < large.length; i += 4) large.writeUInt32LE((i * 2654435761) >>> 0, i);

function answer(request, response, body) {
  const url = new URL(request.url, 'http://x');
  const kept = Object.entries(request.headers).filter(([name]) => /^(host|content-type|x-.*|authorization)$/.test(name)).sort();
  const routes = {
    '/echo': () => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({method: request.method, url: request.url, headers: kept, trailers: request.trailers,
        size: body.length, sha256: crypto.createHash('sha256').update(body).digest('hex')}) + '\n');
    },
    '/chunked': () => {
      const trailed = request.httpVersion === '1.1';
      response.writeHead(200, trailed ? {'content-type': 'text/plain', trailer: 'x-sum'} : {});
      for (const part of ['one\n', 'two\n', 'three\n']) response.write(part);
      if (trailed) response.addTrailers({'x-sum': '3'});
      response.end();
    },
    '/large': () => response.end(large),
    '/gzip': () => {
      response.setHeader('content-encoding', 'gzip');
      response.end(zlib.gzipSync('compressed\n'.repeat(1000)));
    },
    '/redirect': () => { response.writeHead(302, {location: '/echo?redirected'}); response.end('moved\n'); },
    '/cookie': () => { response.setHeader('set-cookie', ['a=1; Path=/', 'b=2; Path=/']); response.end('set\n'); },
    '/empty': () => { response.writeHead(204); response.end(); },
  };
  (routes[url.pathname] || (() => { response.statusCode = 404; response.end('not here\n'); }))();
}

function listen(request, response) {
  fs.appendFileSync(log, `${request.method} ${request.url}\n`);
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => answer(request, response, Buffer.concat(parts)));
}

const certificate = {cert: fs.readFileSync(`${tls}/server.pem`), key: fs.readFileSync(`${tls}/server.key`)};
for (const [server, at] of [[http.createServer(listen), port], [https.createServer(certificate, listen), port + 1000]]) {
  server.keepAliveTimeout = 60000;
  server.listen(at, '0.0.0.0');
}
