#include "score/quadrature.h"

#include <cmath>
#include <numbers>

namespace siamaudio {
namespace {

/// Nodes and weights by Newton's method on the Legendre recursion (Press et al., Numerical Recipes, section 4.6).
Quadrature::Rule gauss_legendre(int64_t size) {
  Quadrature::Rule rule{std::vector<double>(static_cast<size_t>(size)), std::vector<double>(static_cast<size_t>(size))};
  for (int64_t i = 0; i < size; ++i) {
    double x = std::cos(std::numbers::pi * (static_cast<double>(i) + 0.75) / (static_cast<double>(size) + 0.5));
    double slope = 0;
    for (int iteration = 0; iteration < 100; ++iteration) {
      double value = 1;
      double previous = 0;
      for (int64_t k = 0; k < size; ++k) {
        const double next = (static_cast<double>(2 * k + 1) * x * value - static_cast<double>(k) * previous) /
                            static_cast<double>(k + 1);
        previous = value;
        value = next;
      }
      slope = static_cast<double>(size) * (x * value - previous) / (x * x - 1);
      const double step = value / slope;
      x -= step;
      if (std::abs(step) < 1e-15) break;
    }
    rule.nodes[static_cast<size_t>(i)] = (1 - x) / 2;
    rule.weights[static_cast<size_t>(i)] = 1 / ((1 - x * x) * slope * slope);
  }
  return rule;
}

}  // namespace

Quadrature::Quadrature(int64_t most_degree) {
  // Not of every size, for hundreds of classes that would take longer than the scoring: 1, 2, 3, 4, 5, 7, 10, ….
  const int64_t most_size = most_degree / 2 + 1;  // n nodes are exact up to degree 2n - 1
  rule_of_size_.push_back(0);
  for (int64_t size = 1; rule_of_size_.size() <= static_cast<size_t>(most_size); size += 1 + size / 3) {
    rules_.push_back(gauss_legendre(size));
    rule_of_size_.resize(static_cast<size_t>(size) + 1, rules_.size() - 1);
  }
}

const Quadrature::Rule& Quadrature::rule(int64_t degree) const {
  return rules_[rule_of_size_[static_cast<size_t>(degree / 2 + 1)]];
}

}  // namespace siamaudio
