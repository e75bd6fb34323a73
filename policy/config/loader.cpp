// load_policy: files, then one tree, then a policy, then what only the whole shows.
#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <exception>
#include <memory>

#include "policy/config/build.h"
#include "policy/config/files.h"
#include "policy/config/merge.h"
#include "policy/lints/lint.h"

namespace clawpatrol {

using config::Node;
using config::Report;
using config::Source;

namespace {

constexpr std::size_t most_bytes = 16 << 20;  // of all files

std::string sha256(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr) != 1)
    throw std::runtime_error("SHA-256 failed");
  std::string text;
  for (unsigned int i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

}  // namespace

class PolicyLoader {
 public:
  explicit PolicyLoader(LoadFor use) : use_(use) {}

  void read(const std::filesystem::path& path) {
    std::error_code failure;
    bool directory = std::filesystem::is_directory(path, failure);
    std::filesystem::path first = directory ? path / "clawpatrol.toml" : path;
    read_one(first);
    std::filesystem::path more = first.parent_path() / "conf.d";
    auto files = config::toml_files_of(more);
    if (!files)
      report_.error_in_file(more.string(), fmt::format("cannot read: {}", files.error()));
    else
      for (const std::filesystem::path& file : *files) read_one(file);
  }

  void add_text(std::string name, std::string directory, std::string text) {
    digest_input_ +=
        fmt::format("{}:{}:{}", std::filesystem::path(name).filename().string(), text.size(), text);
    if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);  // so that columns are those of the text
    sources_.push_back(std::make_unique<Source>(std::move(name), std::move(directory), std::move(text)));
  }

  LoadResult load() {
    build();
    sort_problems();
    report_.finish(sources_.empty() ? "" : sources_.front()->name());
    bool failed = diagnostics_.has_errors();
    return {failed ? nullptr : std::move(policy_), std::move(diagnostics_)};
  }

  Report& report() { return report_; }

 private:
  void read_one(const std::filesystem::path& path) {
    auto text = config::read_file(path, config::max_file_bytes);
    if (!text) {
      report_.error_in_file(path.string(), fmt::format("cannot read: {}", text.error()));
      return;
    }
    std::string directory = path.has_parent_path() ? path.parent_path().string() : ".";
    total_bytes_ += text->size();
    if (total_bytes_ > most_bytes)
      report_.error_in_file(path.string(), "the files are larger than 16 MiB together");
    else
      add_text(path.string(), std::move(directory), std::move(*text));
  }

  // What is written is reported only where every file could be read: else names would seem unknown that are
  // not.
  void build() {
    Node root;
    bool complete = !report_.has_errors() && !sources_.empty();
    report_.errors_are("CP0101");
    for (const auto& source : sources_) {
      std::optional<Node> document = config::parse_document(*source, report_);
      complete &= document.has_value();
      if (!document) continue;
      if (root.at.source == nullptr) root.at = {source.get(), 0, 0};
      report_.errors_are("CP0105");
      config::merge_document(root, std::move(*document), report_);
      report_.errors_are("CP0101");
    }
    if (!complete) return;
    config::Build build{*policy_, report_, root, use_};
    build_all(build);
    if (report_.has_errors()) return;
    policy_->index();
    policy_->digest = sha256(digest_input_ + build.files_read);
  }

  // By file, line and column; problems of one place in the order in which they were found.
  void sort_problems() {
    using Key = std::tuple<std::ptrdiff_t, std::uint32_t, std::uint32_t, std::size_t>;
    std::vector<Key> order;
    for (const Diagnostic& item : diagnostics_.items) {
      auto file =
          std::ranges::find(sources_, item.place.file, [](const auto& source) { return source->name(); });
      order.emplace_back(file - sources_.begin(), item.place.line, item.place.column, order.size());
    }
    std::ranges::sort(order);
    std::vector<Diagnostic> sorted;
    for (const Key& key : order) sorted.push_back(std::move(diagnostics_.items[std::get<3>(key)]));
    diagnostics_.items = std::move(sorted);
  }

  // A condition that does not check takes no name away, and its rule is for its endpoints all the same. Where
  // not all problems are kept, there are too many of them to add to.
  bool names_are_known() const {
    return diagnostics_.items.size() < config::most_problems &&
           std::ranges::all_of(
               diagnostics_.items,
               [](const Diagnostic& item) {
                 return item.severity != Severity::error || item.code == "CP0102";
               });
  }

  void build_all(config::Build& build) {
    build.report.errors_are("CP0106");
    config::build_top(build);
    config::build_gateway(build);
    config::build_defaults(build);
    config::build_limits(build);
    config::build_profiles(build);
    config::build_endpoints(build);
    config::build_credentials(build);
    config::build_peers(build);
    config::build_rules(build);
    build.report.errors_are("CP0103");
    config::check_references(build);
    build.report.errors_are("CP0106");
    config::check_credentials(build);
    config::check_placeholders(build);
    build.report.errors_are("CP0104");
    config::check_addresses(build);
    config::check_claims(build);
    // What is wrong elsewhere says nothing of a rule that could be read, but it does of what is used: a name
    // that is written wrong would be reported a second time as what nobody uses.
    lints::lint_rules(build);
    if (names_are_known()) lints::lint_use(build);
  }

  LoadFor use_;
  Diagnostics diagnostics_;
  Report report_{diagnostics_, "CP0100"};
  std::shared_ptr<Policy> policy_ = std::make_shared<Policy>();
  std::vector<std::unique_ptr<Source>> sources_;
  std::string digest_input_;
  std::size_t total_bytes_ = 0;
};

namespace {

// Exceptions (memory, paths) end here: a policy that could not be loaded is an error like any other.
template <class Load>
LoadResult guarded(const std::string& name, LoadFor use, Load load) {
  try {
    PolicyLoader loader(use);
    load(loader);
    return loader.load();
  } catch (const std::exception& failure) {
    LoadResult result;
    Report(result.diagnostics, "CP0100").error_in_file(name, fmt::format("cannot load: {}", failure.what()));
    return result;
  }
}

}  // namespace

LoadResult load_policy(const std::filesystem::path& path, LoadFor use) {
  return guarded(path.string(), use, [&](PolicyLoader& loader) { loader.read(path); });
}

LoadResult load_policy_text(std::string_view text, std::string_view name, LoadFor use) {
  return guarded(std::string(name), use,
                 [&](PolicyLoader& loader) { loader.add_text(std::string(name), {}, std::string(text)); });
}

}  // namespace clawpatrol
