// Integrals of polynomials over [0, 1], exact.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace siamaudio {

/// Gauss–Legendre rules, made once and looked up by the degree of what is integrated.
class Quadrature {
 public:
  struct Rule {
    std::vector<double> nodes;
    std::vector<double> weights;  ///< add up to 1
  };

  /// For polynomials of up to this degree.
  explicit Quadrature(int64_t most_degree);

  /// A rule that integrates polynomials of this degree exactly; of the smallest one or a little larger.
  const Rule& rule(int64_t degree) const;

 private:
  std::vector<Rule> rules_;                // by rising size
  std::vector<std::size_t> rule_of_size_;  // the first rule of so many nodes or more
};

}  // namespace siamaudio
