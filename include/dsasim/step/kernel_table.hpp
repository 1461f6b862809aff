#pragma once

#include "dsasim/config/config_object.hpp"
#include "dsasim/model/gpu.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dsasim {

/// One part of a kernel's time: how often the cost that `parameter` names is paid.
struct KernelTerm {
  std::string_view parameter;
  double amount = 0;
};

/// One launch of a kernel (or of the few that a stack always launches together), as two models of time see it: measured
/// ones as terms, whose parameters `tools/fit-kernels` fits by class; data sheets as bytes of memory and flops.
struct Kernel {
  std::string_view kernel_class;
  std::vector<KernelTerm> terms;
  double bytes = 0;
  double flops = 0;
  Arithmetic arithmetic = Arithmetic::bf16;
};

/// What is known of a class of kernels: its parameters, and what each of them costs.
struct KernelParameter {
  std::string_view name;
  std::string_view meaning;
};
struct KernelClass {
  std::string_view name;
  std::span<const KernelParameter> parameters;
};
std::span<const KernelClass> kernel_classes() noexcept;

/// Of what differs between rows that are else alike, root mean squares in nanoseconds.
struct DifferenceErrors {
  double cold_ns = 0;       ///< all rows cold instead of hot in the L2
  double set_aside_ns = 0;  ///< most of the L2 set aside
};

/// Of a fit: relative errors of the rows that it was made of, and of batches and contexts that were left out.
struct KernelErrors {
  double mean = 0;
  double worst = 0;
  std::optional<double> left_out_mean;
  std::optional<double> left_out_worst;
  std::optional<DifferenceErrors> differences;  ///< of attention, where they were measured
};

struct FittedClass {
  std::map<std::string, double, std::less<>> parameters;  ///< nanoseconds for each unit of a term
  std::string source;                                     ///< which measurements
  std::optional<KernelErrors> errors;                     ///< none: not fitted, but taken from `source`
};

/// How long the kernels of a GPU take: fitted to measurements (configs/kernels/, or a file that tools/fit-kernels
/// wrote), or from the GPU's data sheet alone, which no kernel undercuts: a lower bound.
class KernelTable {
 public:
  /// The bytes and flops of each kernel by the peaks of the data sheet, whichever takes longer; nothing for launches,
  /// and nothing for communication.
  static KernelTable roofline(const Gpu& gpu);
  /// One of configs/kernels/, a file, "roofline", or, without a name, that of the GPU's name. Throws ConfigError.
  static KernelTable load(const std::string& asked, const Gpu& gpu);
  static KernelTable read(ConfigObject config, const Gpu& gpu);

  const std::string& name() const noexcept { return name_; }
  const std::string& source() const noexcept { return source_; }
  bool lower_bound() const noexcept { return lower_bound_; }
  /// Whether kernels of the class were measured. A roofline has none of them, and times all.
  bool has(std::string_view kernel_class) const noexcept;
  /// Null in a roofline, and for a class that was not measured.
  const FittedClass* fitted(std::string_view kernel_class) const noexcept;

  /// Throws ConfigError for a class that was not measured, and for times that are none.
  double ns(const Kernel& kernel) const;

 private:
  explicit KernelTable(Gpu gpu) : gpu_(std::move(gpu)) {}
  double bound_ns(const Kernel& kernel) const noexcept;
  double measured_ns(const Kernel& kernel) const;

  Gpu gpu_;
  std::string name_;
  std::string source_;
  bool lower_bound_ = false;
  std::map<std::string, FittedClass, std::less<>> classes_;
};

}  // namespace dsasim
