#include "sweep/journal.hpp"

#include "catch.hpp"
#include "dsasim/error.hpp"
#include "import/captures.hpp"

#include <string>
#include <vector>

using namespace dsasim;
using captures::read_file;
using captures::TempDir;
using captures::write_file;

namespace {

const std::vector<PointOutcome> outcomes = {{.point = 3, .status = PointStatus::ok, .text = "4096,17,0.25"},
                                            {.point = 0, .status = PointStatus::failed, .text = "no memory"},
                                            {.point = 12, .status = PointStatus::refused, .text = ""}};

/// A journal of these outcomes, and the sizes of the file after each line.
std::vector<std::size_t> write_journal(const std::string& path) {
  Journal journal(path);
  journal.begin(R"({"grid": 1})");
  std::vector<std::size_t> sizes = {read_file(path).size()};
  for (const PointOutcome& outcome : outcomes) {
    journal.append({&outcome, 1});
    sizes.push_back(read_file(path).size());
  }
  return sizes;
}

std::string error_of(const std::string& path) {
  try {
    const Journal journal(path);
  } catch (const ConfigError& error) {
    return std::string(error.what()).substr(path.size());
  }
  return "no error";
}

}  // namespace

TEST_CASE("A journal is read as it was written, and the last outcome of a point counts") {
  const TempDir folder;
  const std::string path = folder / "j";
  write_journal(path);
  Journal journal(path);
  CHECK(journal.identity() == R"({"grid": 1})");
  REQUIRE(journal.outcomes().size() == 3);
  for (const PointOutcome& outcome : outcomes) {
    CHECK(journal.outcomes().at(outcome.point).text == outcome.text);
    CHECK(journal.outcomes().at(outcome.point).status == outcome.status);
  }
  const PointOutcome again{.point = 0, .status = PointStatus::ok, .text = "1"};
  journal.append({&again, 1});
  CHECK(journal.outcomes().at(0).text == "1");
  journal.begin("{}");
  CHECK(journal.outcomes().empty());
  CHECK(read_file(path).find("4096") == std::string::npos);
}

TEST_CASE("A journal cut off at any byte has its whole lines, and goes on as if the rest had never been") {
  const TempDir folder;
  const std::string path = folder / "j";
  const std::vector<std::size_t> sizes = write_journal(path);
  const std::string whole = read_file(path);
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    write_file(path, whole.substr(0, size));
    std::size_t lines = 0;
    while (lines < sizes.size() && sizes[lines] <= size) {
      ++lines;
    }
    {
      Journal journal(path);
      CHECK(journal.identity().empty() == (lines == 0));
      CHECK(journal.outcomes().size() == (lines == 0 ? 0 : lines - 1));
      if (lines == 0) {
        journal.begin(R"({"grid": 1})");
        lines = 1;
      }
      journal.append({outcomes.data() + lines - 1, outcomes.size() + 1 - lines});
    }
    CHECK(read_file(path) == whole);
  }
}

TEST_CASE("Any byte that changed in a journal is noticed; the last line, or what looks like it, is then none") {
  const TempDir folder;
  const std::string path = folder / "j";
  const std::vector<std::size_t> sizes = write_journal(path);
  const std::string whole = read_file(path);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    write_file(path, changed);
    const std::size_t last_break = sizes[2] - 1;  // without it, two lines are one
    if (at < last_break) {
      CHECK(error_of(path).find(" is damaged; `restart` begins anew") != std::string::npos);
    } else {
      CHECK(Journal(path).outcomes().size() == (at == last_break ? 1 : 2));
    }
  }
}

TEST_CASE("Zeros behind a journal, as a crash of the machine leaves them, are no line") {
  const TempDir folder;
  const std::string path = folder / "j";
  write_journal(path);
  const std::string whole = read_file(path);
  write_file(path, whole + std::string(4096, '\0'));
  Journal journal(path);
  CHECK(journal.outcomes().size() == 3);
  journal.append({});
  CHECK(read_file(path) == whole);
}

TEST_CASE("A file that is no journal is left alone") {
  const TempDir folder;
  const std::string path = folder / "j";
  for (const char* text : {"notes\n", "notes", "0123456789abcdef notes", "\n", "a,b\n1,2\n"}) {
    write_file(path, text);
    CHECK(error_of(path) == ": is not the journal of a sweep; please move it away");
    CHECK(read_file(path) == text);
  }
}

TEST_CASE("A journal of another version is refused; to be forgotten, it may be of any, and damaged") {
  const TempDir folder;
  const std::string path = folder / "j";
  const std::string before = R"(dsasim-sweep-journal/1 {"traces":{"t.dsat":"00"}})";
  const std::string version_1 = text_hash(before) + " " + before + "\n";
  std::string damaged = version_1;
  damaged.back() = '?';
  write_file(path, version_1);
  CHECK(error_of(path) ==
        ": is a journal of another version of dsasim (dsasim-sweep-journal/1, expected dsasim-sweep-journal/2); "
        "`restart` begins anew");
  for (const std::string& text : {version_1, damaged + "\n" + version_1}) {
    write_file(path, text);
    Journal journal(path, /*forget=*/true);
    CHECK(journal.identity().empty());
    CHECK(journal.outcomes().empty());
    journal.begin("{}");
    CHECK(read_file(path).find("t.dsat") == std::string::npos);
  }
  write_file(path, "notes\n");
  CHECK_THROWS_AS(Journal(path, /*forget=*/true), ConfigError);
}

TEST_CASE("One process at a time has a journal") {
  const TempDir folder;
  const std::string path = folder / "j";
  {
    const Journal journal(path);
    CHECK(error_of(path) == ": another sweep is writing this output");
  }
  CHECK(error_of(path) == "no error");
}

TEST_CASE("A file takes the place of another at once, or leaves it") {
  const TempDir folder;
  const std::string path = folder / "f";
  write_file(path, "old");
  replace_durably(path, "new\n");
  CHECK(read_file(path) == "new\n");
  CHECK_THROWS_AS(replace_durably(folder / "no/f", "new"), SystemError);
  CHECK_FALSE(std::filesystem::exists(path + ".journal.tmp"));
}
