#include "all_headers.hpp"

int main(int argc, char** argv) {
  return argc == 2 && dsasim::version() == argv[1] ? 0 : 1;
}
