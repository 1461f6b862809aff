#include "dsasim/trace/partial_file.hpp"

#include "catch.hpp"
#include "dsasim/error.hpp"
#include "import/captures.hpp"

#include <algorithm>
#include <iterator>

using namespace dsasim;
using captures::read_file;
using captures::TempDir;
using captures::write_file;
namespace fs = std::filesystem;

namespace {

std::ptrdiff_t files_in(const TempDir& dir) {
  return std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator());
}

}  // namespace

TEST_CASE("a file has its name once it is whole", "[trace]") {
  const TempDir dir;
  write_file(dir / "out", "old");
  {
    PartialFile partial(dir / "out");
    write_file(partial.path(), "new");
    CHECK(partial.path().parent_path() == dir.path());
    CHECK(read_file(dir / "out") == "old");
    partial.keep();
  }
  CHECK(read_file(dir / "out") == "new");
  CHECK(files_in(dir) == 1);
}

TEST_CASE("a file that is not whole is gone", "[trace]") {
  const TempDir dir;
  write_file(dir / "out", "old");
  {
    const PartialFile partial(dir / "out");
    write_file(partial.path(), "half");
  }
  CHECK(read_file(dir / "out") == "old");
  CHECK(files_in(dir) == 1);
}

TEST_CASE("links stay, and what they lead to is replaced", "[trace]") {
  const TempDir dir;
  fs::create_directory(dir / "there");
  fs::create_symlink("second", dir / "first");
  fs::create_symlink(dir / "there/out", dir / "second");
  for (const std::string_view text : {"created", "replaced"}) {  // at first the links dangle
    PartialFile partial(dir / "first");
    write_file(partial.path(), text);
    partial.keep();
    CHECK(read_file(dir / "there/out") == text);
    CHECK(fs::is_symlink(dir / "first"));
    CHECK(fs::is_symlink(dir / "second"));
  }
}

TEST_CASE("what is no regular file is written in place", "[trace]") {
  const PartialFile device("/dev/null");
  CHECK(device.in_place());
  CHECK(device.path() == "/dev/null");
}

TEST_CASE("a name that cannot be taken is an error", "[trace]") {
  const TempDir dir;
  PartialFile partial(dir / "out");
  CHECK_FALSE(partial.in_place());
  CHECK_THROWS_AS(partial.keep(), SystemError);  // nothing was written
}
