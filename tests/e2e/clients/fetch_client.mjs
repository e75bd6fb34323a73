// usage: node fetch_client.mjs URL
const base = process.argv[2];
console.log(await (await fetch(base + '/echo?a', {headers: {'x-test': 'yes'}})).json());
console.log(await (await fetch(base + '/echo', {method: 'PUT', body: JSON.stringify({a: [1, 2]})})).json());
const stream = new ReadableStream({start(c) { c.enqueue(new TextEncoder().encode('streamed')); c.close(); }});
console.log(await (await fetch(base + '/echo', {method: 'POST', body: stream, duplex: 'half'})).json());
console.log((await (await fetch(base + '/gzip')).text()).length, (await (await fetch(base + '/large')).arrayBuffer()).byteLength);
console.log((await fetch(base + '/redirect')).url.split('/').pop(), (await fetch(base + '/empty')).status);
console.log(await Promise.all(Array.from({length: 40}, async (_, i) => (await (await fetch(`${base}/echo?${i}`)).json()).url)));
console.log('done');
