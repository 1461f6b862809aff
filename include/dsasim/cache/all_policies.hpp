#pragma once

#include "dsasim/cache/policy.hpp"
#include "dsasim/cache/policy/arc.hpp"
#include "dsasim/cache/policy/belady.hpp"
#include "dsasim/cache/policy/clock.hpp"
#include "dsasim/cache/policy/ewma2.hpp"
#include "dsasim/cache/policy/fifo.hpp"
#include "dsasim/cache/policy/hisparse.hpp"
#include "dsasim/cache/policy/lfu.hpp"
#include "dsasim/cache/policy/lirs.hpp"
#include "dsasim/cache/policy/lrfu.hpp"
#include "dsasim/cache/policy/lru.hpp"
#include "dsasim/cache/policy/lru_k.hpp"
#include "dsasim/cache/policy/mru.hpp"
#include "dsasim/cache/policy/random.hpp"
#include "dsasim/cache/policy/rt.hpp"
#include "dsasim/cache/policy/s3_fifo.hpp"
#include "dsasim/cache/policy/score.hpp"
#include "dsasim/cache/policy/sieve.hpp"
#include "dsasim/cache/policy/slru.hpp"
#include "dsasim/cache/policy/two_q.hpp"
#include "dsasim/cache/policy/w_tinylfu.hpp"
#include "dsasim/cache/queue_policy.hpp"

#include <tuple>

namespace dsasim {

/// The registry. A new policy is its header, one line here and one worked example in tests/cache/: the factory, the
/// parser, `dsasim policies` and the contract tests follow. Policies of one name stand next to each other.
using AllPolicies = std::tuple<                   //
    Lru,                                          //
    Fifo, FifoStep,                               //
    Random, RandomStep,                           //
    Clock,                                        //
    Lfu,                                          //
    Belady, BeladyStep,                           //
    Hisparse,                                     //
    PerAccess<Mru>, PerSelection<Mru>,            //
    PerAccess<Slru>, PerSelection<Slru>,          //
    PerAccess<S3Fifo>, PerSelection<S3Fifo>,      //
    PerAccess<Sieve>, PerSelection<Sieve>,        //
    PerAccess<Arc>, PerSelection<Arc>,            //
    PerAccess<TwoQ>, PerSelection<TwoQ>,          //
    PerAccess<Lirs>, PerSelection<Lirs>,          //
    PerAccess<LruK>, PerSelection<LruK>,          //
    PerAccess<WTinyLfu>, PerSelection<WTinyLfu>,  //
    Lrfu,                                         //
    Score,                                        //
    Ewma2,                                        //
    Rt>;

}  // namespace dsasim
