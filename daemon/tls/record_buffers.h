#pragma once

namespace clawpatrol::tls {

// OpenSSL takes a buffer of some 17 KB for each record that it reads or writes and gives it back behind it,
// so that connections that rest hold none. Have each thread keep a few of them, which malloc would not. To be
// called before anything else of OpenSSL, once; false: it was not, and malloc serves.
bool keep_record_buffers();

}  // namespace clawpatrol::tls
