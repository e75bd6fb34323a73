#include "cpctl/qr.h"

#include <qrencode.h>

#include <memory>

namespace clawpatrol::cpctl {

std::optional<std::string> qr_text(std::string_view text) {
  constexpr int quiet = 4;  // modules around it, that a camera needs
  std::unique_ptr<QRcode, decltype(&QRcode_free)> code(
      QRcode_encodeData(static_cast<int>(text.size()), reinterpret_cast<const unsigned char*>(text.data()), 0,
                        QR_ECLEVEL_L),
      &QRcode_free);
  if (!code) return std::nullopt;
  const int width = code->width;
  auto dark = [&](int x, int y) {
    return x >= 0 && y >= 0 && x < width && y < width && (code->data[y * width + x] & 1) != 0;
  };
  // Two rows a line. Colours are said, since what a terminal calls black may be white.
  std::string out;
  for (int y = -quiet; y < width + quiet; y += 2) {
    out += "\x1b[30;107m";
    for (int x = -quiet; x < width + quiet; ++x) {
      const bool upper = dark(x, y), lower = dark(x, y + 1);
      out += upper ? (lower ? "█" : "▀") : (lower ? "▄" : " ");
    }
    out += "\x1b[0m\n";
  }
  return out;
}

}  // namespace clawpatrol::cpctl
