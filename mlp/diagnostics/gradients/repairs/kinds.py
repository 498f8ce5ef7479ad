"""Which changes of a place are tried, in which order, and what mistake each of them would undo."""

from collections.abc import Callable, Iterator
from itertools import chain

from mlp.diagnostics.gradients.repairs.calls import calls, sums_over
from mlp.diagnostics.gradients.repairs.copied import (
    chosen,
    everywhere,
    fewer_factors,
    jacobians,
    missing_one,
    not_added,
    one_off,
    operators_everywhere,
    other_indices,
    other_lengths,
    other_targets,
    turned_back,
)
from mlp.diagnostics.gradients.repairs.derivatives import (
    both_turned,
    derivatives,
    missing_products,
    other_half_of_slope,
    terms_in_factors,
    through_the_total,
)
from mlp.diagnostics.gradients.repairs.forms import (
    applied,
    counts,
    forms,
    means_of_counted,
    other_parts,
    other_paths,
    siblings,
)
from mlp.diagnostics.gradients.repairs.makers.areas import areas
from mlp.diagnostics.gradients.repairs.makers.axes import other_axes, other_turns
from mlp.diagnostics.gradients.repairs.makers.ends_at_zero import ends_at_zero
from mlp.diagnostics.gradients.repairs.makers.like_forward import (
    as_in_forward,
    other_activations,
    other_words,
    signs_of_branches,
)
from mlp.diagnostics.gradients.repairs.makers.matrix_products import matrix_products
from mlp.diagnostics.gradients.repairs.makers.of_arrays import copies, of_arrays, with_its_axes
from mlp.diagnostics.gradients.repairs.makers.reshapes import reshapes
from mlp.diagnostics.gradients.repairs.makers.slices import (
    before_the_first,
    indices,
    indices_exchanged,
    split_indices,
)
from mlp.diagnostics.gradients.repairs.makers.sums_and_conditions import added_in_forward, as_forward_chooses
from mlp.diagnostics.gradients.repairs.makers.windows import corners, starts, steps
from mlp.diagnostics.gradients.repairs.operators import (
    missing,
    missing_sign,
    operators,
    other_names,
    turned_signs,
)
from mlp.diagnostics.gradients.repairs.places import (
    is_limit,
    numbers,
    numbers_of_forward,
    other_sizes,
    setting_for_number,
    statements,
)
from mlp.diagnostics.gradients.repairs.reorders import not_transposed, reorders, turned_as_elsewhere, turned_parts
from mlp.diagnostics.gradients.repairs.search.brackets import brackets, exchanged_shares, fewer_targets
from mlp.diagnostics.gradients.repairs.search.missing_lines import both_sides
from mlp.diagnostics.gradients.repairs.search.moves import kept, names_exchanged
from mlp.diagnostics.gradients.repairs.search.scope import Scope
from mlp.diagnostics.gradients.repairs.search.second_terms import terms_by_themselves
from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot
from mlp.diagnostics.gradients.repairs.terms.divisors import other_divisors
from mlp.diagnostics.gradients.repairs.terms.factors_of_terms import factors_of_terms
from mlp.diagnostics.gradients.repairs.terms.rests import parts_left_out
from mlp.diagnostics.gradients.repairs.terms.statistics import through_statistics

FIRST = 16
EMPTY_SLICE = "empty slice"
HALF = "half of a derivative"
LACKING = "factor or term missing"
CONDITION = "mask of another condition than in forward"
OTHER_SIZE = "another size"  # that may be equal by accident
COUNTED = "wrong number of values"  # one size, or a product of them, in the place of another
Maker = Callable[[Slot, Scope], Iterator[Alternative]]
OF_EMPTY_SLICES: tuple[tuple[Maker, str], ...] = ((lambda slot, s: ends_at_zero(slot, s.values), EMPTY_SLICE),)
OF_CONDITIONS: tuple[tuple[Maker, str], ...] = ((lambda slot, s: as_forward_chooses(slot, s.conditions), CONDITION),)
OF_ADDENDS: tuple[tuple[Maker, str], ...] = ((lambda slot, s: added_in_forward(slot, s.addends), "term missing"),)
OF_LENGTHS: tuple[tuple[Maker, str], ...] = (  # of outputs, of windows: where a length ends, then inside
    (lambda slot, _: missing_one(slot), "wrong size"),
    (lambda slot, s: one_off(slot, s.values), "wrong size"),
    (lambda slot, s: other_lengths(slot, s.values), "wrong number"),
)
OF_ITSELF: tuple[tuple[Maker, str], ...] = (  # what the line itself suggests; also tried in several places at once
    (lambda slot, _: exchanged_shares(slot), "shares exchanged"),
    (lambda slot, _: operators(slot), "sign, factor or term"),
    (lambda slot, _: matrix_products(slot), "matrix product"),
    (lambda slot, s: other_axes(slot, s.axes), "function or axis"),
    (lambda slot, _: calls(slot), "function or axis"),
    (lambda slot, s: of_arrays(slot, s.values), "array function"),
    (lambda slot, s: sums_over(slot, s.axes), "sum over other axes"),
    (lambda slot, _: other_sizes(slot), "wrong size"),
    (lambda slot, _: numbers(slot), "wrong number"),
    (lambda slot, _: indices(slot), "wrong index"),
    (lambda slot, s: other_turns(slot, s.values), "wrong index"),
    (lambda slot, s: split_indices(slot, s.values), "wrong index"),
    (lambda slot, s: indices_exchanged(slot, s.values), "names exchanged"),
    (lambda slot, s: other_words(slot, s.words, s.values), "another argument than in forward"),
    (lambda slot, _: statements(slot), "overwritten or one line too many"),
    (lambda slot, s: derivatives(slot, s.values), "another function's derivative"),
    (lambda slot, s: other_half_of_slope(slot, s.values), HALF),
    (lambda slot, _: brackets(slot), "brackets"),
)
OF_MEMORY: tuple[tuple[Maker, str], ...] = (  # old values and new ones, counts
    (lambda slot, s: names_exchanged(slot, s.values), "names exchanged"),
    (lambda slot, _: fewer_targets(slot), "kept in two places"),
    (lambda slot, s: kept(slot, s.values), "not kept"),
    (lambda slot, _: missing_one(slot), "wrong number"),
)
OF_FACTORS: tuple[tuple[Maker, str], ...] = (  # of all kinds, the likeliest first and the others last
    (lambda slot, s: missing(slot, s.factors_of(slot, s.factors[:FIRST]), (), s.rows), LACKING),
    (lambda slot, s: missing(slot, s.factors_of(slot, s.factors[FIRST:]), (), s.rows), LACKING),
)
KINDS: tuple[tuple[Maker, str], ...] = (
    *OF_ITSELF,
    (lambda slot, s: as_in_forward(slot, s.made), "another value than in forward"),
    (lambda slot, s: kept(slot, s.values, s.upstream), "not kept"),
    (lambda slot, s: copies(slot, s.values), "no copy"),
    (lambda slot, s: other_indices(slot, s.parts), "wrong index"),
    (lambda slot, s: missing(slot, s.factors_of(slot, s.unused), s.unused), LACKING),
    (lambda slot, s: other_names(slot, s.unused, s.values), "another array"),
    (lambda slot, s: with_its_axes(slot, s.shapes), "another array"),
    (lambda slot, s: setting_for_number(slot, s.values), "wrong number"),
    (lambda slot, s: numbers_of_forward(slot, s.numbers), "wrong number"),
    (lambda slot, s: other_targets(slot, s.targets, s.values), "written to the wrong place"),
    (lambda slot, s: not_added(slot, s.unused, s.like(slot), s.values), "term missing"),
    (lambda slot, s: chosen(slot, s.loops, s.values), LACKING),
    (lambda slot, s: before_the_first(slot, s.loops, s.values), "wrong index"),
    (lambda slot, s: starts(slot, s.loops, s.values), "wrong place"),
    (lambda slot, s: steps(slot, s.loops, s.values), "wrong place"),
    (lambda slot, s: corners(slot, s.loops, s.values), "wrong place"),
    (lambda slot, s: areas(slot, s.values, s.loops), COUNTED),
    (lambda slot, _: operators_everywhere(slot), "sign, factor or term"),
    (lambda slot, s: everywhere(slot, [a for a in s.arrays if a not in s.no_sizes], s.values), OTHER_SIZE),
    (lambda slot, s: turned_back(slot, s.parts, s.values), "order of axes or parts"),
    (lambda slot, s: missing_sign(slot), "sign, factor or term"),
    (lambda slot, s: signs_of_branches(slot, s.made, s.values), "sign of a branch"),
    OF_FACTORS[0],
    (lambda slot, s: applied(slot, s.functions, s.values), "function or sign"),
    (lambda slot, s: turned_as_elsewhere(slot, s.turns), "order of axes or parts"),
    (lambda slot, s: chain(reorders(slot), reshapes(slot, s.tree, s.values)), "order of axes or parts"),
    (lambda slot, s: not_transposed(slot, s.values), "order of axes or parts"),
    (lambda slot, s: other_names(slot, s.like(slot), s.values), "another array"),
    (lambda slot, s: missing(slot, (), s.like(slot)), LACKING),
    (lambda slot, s: other_divisors(slot, s.divisors), "division by the wrong number"),
    (lambda slot, s: everywhere(slot, s.no_sizes, s.values), "another array"),
    (lambda slot, s: jacobians(slot), "only the diagonal"),
    (lambda slot, s: both_turned(slot, s.values), "only one side"),
    (lambda slot, s: forms(slot, s.values), "function or sign"),
    (lambda slot, _: other_activations(slot), "another activation"),
    (lambda slot, s: terms_in_factors(slot, s.like(slot), s.values), "term missing"),
    *OF_ADDENDS,
    (lambda slot, s: counts(slot, s.values), COUNTED),
    (lambda slot, s: means_of_counted(slot, s.values), COUNTED),
    (lambda slot, s: terms_by_themselves(slot, s.values, s.upstream), "term missing"),
    (lambda slot, s: siblings(slot, s.arrays), "term missing"),
    (lambda slot, s: through_the_total(slot, s.arrays, s.values, s.upstream), "term missing"),
    (lambda slot, _: both_sides(slot), "term missing"),
    (lambda slot, s: parts_left_out(slot, s.rests), "path missing"),
    (lambda slot, s: through_statistics(slot, s), "path missing"),
    (lambda slot, s: other_parts(slot, [a for a in s.arrays if a in s.gradients], s.values), "path missing"),
    (lambda slot, s: other_paths(slot, s.values, s.upstream), "term missing"),
    (lambda slot, _: turned_parts(slot), "order of axes or parts"),
    (lambda slot, s: names_exchanged(slot, s.values), "names exchanged"),
    (lambda slot, _: missing_one(slot), "wrong number"),
    (lambda slot, s: one_off(slot, s.values), "wrong size"),
    (lambda slot, s: other_lengths(slot, s.values), "wrong number"),
    (lambda slot, _: fewer_factors(slot), "sign, factor or term"),
    (lambda slot, s: missing_products(slot, s.arrays, s.values, s.upstream), "term missing"),
    (lambda slot, s: other_names(slot, s.unlike(slot), s.values), "another array"),
    (lambda slot, s: factors_of_terms(slot, s.upstream), "factor of another term"),
    OF_FACTORS[1],
)
LIKELY_KINDS = len(OF_ITSELF) + 17  # that are tried before the others: they are few, and what students do
NOT_OF_FORWARD = ("sign, factor or term", "another function's derivative", HALF, "wrong number")
OF_FORWARD: tuple[tuple[Maker, str], ...] = (  # none that just removes from forward what backward has forgotten
    (lambda slot, s: copies(slot, s.values), "no copy"),
    *(pair for pair in OF_ITSELF if pair[1] not in NOT_OF_FORWARD),
    (lambda slot, _: turned_signs(slot), "sign"),
    (lambda slot, _: iter(()) if is_limit(slot) else numbers(slot), "wrong number"),
    (lambda slot, s: chain(reorders(slot), reshapes(slot, s.tree, s.values)), "order of axes or parts"),
    (lambda slot, s: other_names(slot, s.arrays, s.values) if s.values else iter(()), "another array"),
    (lambda slot, s: other_indices(slot, s.parts), "wrong index"),
)
