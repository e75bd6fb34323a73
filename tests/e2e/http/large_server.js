// Sends as much as is asked for, and takes uploads once somebody has asked for /go. HTTP/2 alone at PORT, HTTP/1.1 alone at PORT + 1,
// both in TLS; HTTP/1.1 in the clear at PORT + 2. usage: node large_server.js PORT CERTIFICATES
const crypto = require('crypto'), fs = require('fs'), http = require('http'), http2 = require('http2'), https = require('https');
const [port, tls] = [Number(process.argv[2]), process.argv[3]];
const piece = Buffer.alloc(1 << 20);
for (let i = 0; i < piece.length; i += 4) piece.writeUInt32LE((i * 2654435761) >>> 0, i);
const waiting = [];

function answer(request, response) {
  const url = new URL(request.url, 'http://x');
  if (url.pathname === '/go') {
    for (const take of waiting.splice(0)) take();
    return response.end();
  }
  if (request.method === 'GET') {
    let left = Number(url.searchParams.get('megabytes'));
    const send = () => {
      while (left > 0) if (left-- && !response.write(piece)) return response.once('drain', send);
      response.end();
    };
    return send();
  }
  waiting.push(() => {
    const hash = crypto.createHash('sha256');
    request.on('data', (part) => hash.update(part));
    request.on('end', () => response.end(hash.digest('hex') + '\n'));
  });
}

const certificate = {cert: fs.readFileSync(`${tls}/server.pem`), key: fs.readFileSync(`${tls}/server.key`)};
http2.createSecureServer(certificate, answer).listen(port, '0.0.0.0');
https.createServer(certificate, answer).listen(port + 1, '0.0.0.0');
http.createServer(answer).listen(port + 2, '0.0.0.0');
