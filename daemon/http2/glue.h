// What nghttp2 calls, and how it is set up. Of session.cpp and glue.cpp alone.
#pragma once

#include "daemon/http2/session.h"
#include "parsers/http1/head.h"

namespace clawpatrol::http2 {

// Of the names and values.
inline std::size_t size_of(const nghttp2_nv* fields, std::size_t count) {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < count; ++i) bytes += fields[i].namelen + fields[i].valuelen;
  return bytes;
}

struct Session::Glue {
  static int frame_begins(nghttp2_session*, const nghttp2_frame_hd* head, void* self);
  static int block_begins(nghttp2_session*, const nghttp2_frame* frame, void* self);
  static int field(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                   std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t,
                   void* self);
  static int bad_field(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t*, std::size_t,
                       const std::uint8_t*, std::size_t, std::uint8_t, void* self);
  static int frame_came(nghttp2_session*, const nghttp2_frame* frame, void* self);
  static int bad_frame(nghttp2_session*, const nghttp2_frame* frame, int error, void* self);
  static int data_came(nghttp2_session*, std::uint8_t, StreamId id, const std::uint8_t* data,
                       std::size_t size, void* self);
  static int frame_went(nghttp2_session* session, const nghttp2_frame* frame, void* self);
  static int frame_not_sent(nghttp2_session* session, const nghttp2_frame* frame, int error, void* self);
  static int closed(nghttp2_session*, StreamId id, std::uint32_t code, void* self);
  static ssize_t read_unsent(nghttp2_session* session, StreamId id, std::uint8_t* space, std::size_t room,
                             std::uint32_t* flags, nghttp2_data_source*, void* self);

  static const nghttp2_session_callbacks* callbacks();
  static const nghttp2_option* options();
};

}  // namespace clawpatrol::http2
