#pragma once

#include "analysis/metrics/blocks_touched.hpp"
#include "analysis/metrics/inter_layer_overlap.hpp"
#include "analysis/metrics/lookback.hpp"
#include "analysis/metrics/lookback_step_mean.hpp"
#include "analysis/metrics/new_lookups.hpp"
#include "analysis/metrics/page_utilisation.hpp"
#include "analysis/metrics/persistence.hpp"
#include "analysis/metrics/position_share.hpp"
#include "analysis/metrics/request_overlap.hpp"
#include "analysis/metrics/reuse_entries.hpp"
#include "analysis/metrics/reuse_steps.hpp"
#include "analysis/metrics/shifted_overlap.hpp"
#include "analysis/metrics/step_overlap.hpp"
#include "analysis/metrics/union_growth.hpp"
#include "analysis/metrics/working_set.hpp"

#include <tuple>

namespace dsasim {

/// The registry, in the order of the reports: the paper's metrics, then ours. A new one is its header, a line here, its
/// definition in docs/metrics.md, and a line in tests/analysis/reference_analysis.hpp.
using AllMetrics = std::tuple<  //
    WorkingSet,                 //
    Persistence,                //
    Lookback,                   //
    LookbackStepMean,           //
    NewLookups,                 //
    InterLayerOverlap,          //
    PageUtilisation,            //
    StepOverlap,                //
    ShiftedOverlap,             //
    UnionGrowth,                //
    ReuseSteps,                 //
    ReuseEntries,               //
    SinkShare, RecentShare,     //
    RequestOverlap,             //
    BlocksTouched>;

inline MetricList list_metrics(const MetricSetup& setup) {
  MetricList metrics;
  [&]<class... M>(std::tuple<M...>* /*list*/) { (M::list(setup, metrics), ...); }(static_cast<AllMetrics*>(nullptr));
  return metrics;
}

}  // namespace dsasim
