#pragma once

namespace clawpatrol::tls {

// Have OpenSSL's memory served from here. It takes a buffer of some 17 KB for each record that it reads or
// writes and gives it back behind it, so that connections that rest hold none: each thread keeps a few of
// them, which malloc would not. And it reads private keys, and computes with them, in memory that it gives
// back as it is: all that is given back, but for those buffers, is overwritten. To be called before anything
// else of OpenSSL, once; false: it was not, and malloc serves, and nothing is overwritten.
bool serve_openssl_memory();

}  // namespace clawpatrol::tls
