// `cpctl enforce`: mode = "observe" becomes "enforce", in the file that says so, and in force.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>

#include "cpctl/commands.h"
#include "cpctl/enforce.h"
#include "cpctl/printable.h"
#include "daemon/files/private_directory.h"
#include "daemon/ring/fd.h"

namespace clawpatrol::cpctl {

namespace fs = std::filesystem;

namespace {

std::string_view without_blanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
    text.remove_suffix(1);
  return text;
}

// The files of a configuration, in the order in which they are read.
std::vector<fs::path> files_of(const fs::path& config) {
  std::error_code problem;
  if (!fs::is_directory(config, problem)) return {config};
  std::vector<fs::path> files;
  for (fs::directory_iterator file(config / "conf.d", problem); !problem && file != fs::directory_iterator();
       file.increment(problem))
    if (file->path().extension() == ".toml") files.push_back(file->path());
  std::ranges::sort(files);
  files.insert(files.begin(), config / "clawpatrol.toml");
  return files;
}

std::optional<std::string> read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// Whole or not at all, with the owner and mode of the file that was there. "", or why not.
// A link stays one: what it names is replaced.
std::string replace_file(const fs::path& named, std::string_view text) {
  std::error_code failure;
  const fs::path path = fs::canonical(named, failure);
  if (failure) return failure.message();
  struct stat before{};
  if (::stat(path.c_str(), &before) != 0) return std::strerror(errno);
  const fs::path aside = path.native() + ".new";
  ::unlink(aside.c_str());
  Fd fd(::open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return std::strerror(errno);
  std::size_t written = 0;
  int code = write_all(fd.get(), text, written);
  if (code == 0 && (::fchown(fd.get(), before.st_uid, before.st_gid) != 0 ||
                    ::fchmod(fd.get(), before.st_mode & 07777) != 0 || ::fsync(fd.get()) != 0 ||
                    ::rename(aside.c_str(), path.c_str()) != 0))
    code = errno;
  if (code != 0) ::unlink(aside.c_str());
  return code == 0 ? "" : std::strerror(code);
}

}  // namespace

std::optional<std::string> enforcing(std::string_view text) {
  std::string out;
  bool in_gateway = false, changed = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    const std::string_view bare = without_blanks(line);
    if (bare.starts_with('[')) in_gateway = without_blanks(bare.substr(0, bare.find('#'))) == "[gateway]";
    const std::size_t equals = bare.find('=');
    std::size_t at = std::string_view::npos;
    const bool is_mode =
        in_gateway && equals != bare.npos && without_blanks(bare.substr(0, equals)) == "mode";
    if (is_mode && bare.substr(equals, bare.find('#') - equals).contains("observe"))
      at = line.find("observe");
    if (at != line.npos) {
      out += std::string(line.substr(0, at)) + "enforce" + std::string(line.substr(at + 7));
      changed = true;
    } else {
      out += line;
    }
    if (end < text.size()) out += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return changed ? std::optional(out) : std::nullopt;
}

int enforce(Context context) {
  Console& console = context.console;
  for (const fs::path& file : files_of(context.paths.config)) {
    const auto before = read_file(file);
    const auto after = before ? enforcing(*before) : std::nullopt;
    if (!after) continue;
    if (std::string why = replace_file(file, *after); !why.empty()) {
      console.complain(fmt::format("cannot write '{}': {}", file.native(), why), "Run this as root.");
      return exit_no;
    }
    const int status = reload(context);
    if (status == exit_ok) {
      if (!console.json())
        console.line(fmt::format("rules are enforced from now on; '{}' says so", printable(file.native())));
      return exit_ok;
    }
    const std::string why = replace_file(file, *before);
    console.err(why.empty() ? fmt::format("'{}' is as it was\n", printable(file.native()))
                            : fmt::format("'{}' says enforce, and could not be put back: {}\n",
                                          printable(file.native()), why));
    return status;
  }
  console.complain(
      "no line under [gateway] says mode = \"observe\"",
      "`cpctl status` says what is in force. Where it observes, the mode is written in another form "
      "(gateway.mode, or an inline table): change it by hand, then `cpctl reload`.");
  return exit_no;
}

}  // namespace clawpatrol::cpctl
