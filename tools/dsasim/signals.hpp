#pragma once

namespace dsasim::tool {

/// Gives descriptors 0, 1 and 2 that are closed something that can be neither read nor written: a file that is opened
/// later must not be taken for stdout or stderr.
void hold_standard_streams();

/// A signal that ends the program ends it as always, but takes unfinished outputs away and says so on stderr. Those
/// that are ignored stay ignored. A pipe that nobody reads is no news.
void end_cleanly_on_signals();

}  // namespace dsasim::tool
