"""After the timing: does the network that was timed do the work? Steps and passes anew, whose arrays the parent holds
against the other side's.

Parity before the timing is computed on a network of its own. What is asked here is asked of the timed one, through the path
that was timed: first as it stands, before anything sets it back, then from the weights that it began with.
"""

import functools
import itertools

import numpy as np

from . import names, put_off
from .backend import no_span
from .recheck import thin

KNOWN_STEPS = 3  # at least, in calls of a whole block each
MOST_KNOWN = 10  # at most: by then rounding has led honest sides apart
GOING_ON = (
    20  # steps of whole blocks, at least, that are held against the same steps one by one, where no timed ones are
)
SAME = 1e-5  # of the way: blocks and steps that are no further apart led to the same place
SINGLE_STEPS = 3
STILL_STEPS = 2
# Of the gradients of one update before known steps. From a fresh state Adam divides a gradient by its own size, so that
# one which is nothing but rounding becomes a whole step, on either side another one: with this much in its second moment it
# becomes none, and honest sides stay together to 1e-5, where 3 of 45 replays were .2 to 3 % apart.
SETTLING = 1e-3
SETTLED = 3.0  # the same in sizes of a parameter's gradients, where that is known: a step then tells how large its gradient is
# Norms over all parameters of the given gradients, one update each: to a clip at norm 1 they are no longer these, and Adam,
# to which a common factor is nothing, sees their relation.
GIVEN_NORMS = (0.1, 10.0, 1.0)
BRIGHT = 1000.0  # factor of the images whose gradients any usual clip would cut
MOST_FIRST = 1 << 20  # of numbers of test batches, of which the feed has fewer and goes round
DISTURBANCE = 10.0  # scale of the gradients that change the weights before forward passes are read


def network(net, initial, weights, steps, seed, feed, trains, block, first, scales, bursts, brief=False):
    """(arrays, {item: share of its time that was put off}, {item: share that known inputs save}) of a timed network.

    initial: its snapshot before the first timed step. weights: the canonical weights of that moment. steps: training steps
    taken since. block: steps or forward passes of a timed iteration. first: number of the training batch that comes next.
    scales: parameter array -> size of its gradients, where that is known. bursts: timed ones that were kept (looks.py).
    brief: after a traced window of what was asked before it: updates, movement, known steps and a block of passes alone, by what
    the window made ready.
        run/updates        (asked for, counted by the optimizer itself; -1 where it does not count)
        run/moved          how far the weights are from where they were: the norm over all of them
        run/last/NAME      how far further blocks move each parameter array, before anything is set back
        run/blocks/NAME    parts of that movement; /NAME@1, @2: of timed bursts that were kept
        run/singly/NAME@n  the same of the same steps one by one, from the same state; where that is elsewhere a second time,
                           another number of steps later: 0 and 1 of run/blocks/NAME, 2 and 3 of run/blocks/NAME@1, and so on
        replay/losses      of KNOWN_STEPS steps, in the timed object, from the initial weights and one update with small given
                           gradients (SETTLING): whole blocks through the timed feed, whose batches have become others
        replay/moved/NAME  how far that update and those steps moved each parameter array
        replay/fed_losses, replay/fed/NAME  the same of steps on batches of the timed feed as they are
        replay/given/NAME  the same for updates with given gradients
        replay/size/NAME   root mean square of the initial weights: rounding cannot be less than its 2 ** -24
        replay/one/NAME@n  parts of how far one single step moved it after such an update, beyond what a step of no gradient
                           does: a step through the timed feed, whose batch has become another one
        replay/bright/NAME the same of a step on images that are BRIGHT times as large
        replay/still/NAME  parts of how far STILL_STEPS steps on empty images moved it, of factors (conv1/w) alone: most of their
                           gradients are zero
        replay/logits      of a block of forward passes over new images from the initial weights
        replay/fed_logits  of one over the timed feed's images
        replay/known       of passes over the same images: by other weights, then with one element changed
    """
    arrays, deferred, saved = {}, {}, {}
    if trains and initial is not None:
        asked = _Training(net, initial, weights, seed, feed, scales)
        counted = net.updates()
        arrays[names.array("run", "updates")] = np.array([steps, -1 if counted is None else counted])
        moved = asked.moved()
        arrays[names.array("run", "moved")] = np.sqrt(sum(np.sum(np.square(one)) for one in moved.values()))
        if not brief:
            arrays.update(asked.going_on(first, block, 1 if bursts else GOING_ON))
        arrays.update(asked.once_more(bursts, first))
        arrays.update(asked.known(first, block))
        net.restore(initial)
    if trains and initial is not None and not brief:
        arrays.update(asked.fed(first, block))
        arrays.update(asked.given())
        arrays.update(asked.single(first))
        arrays.update(asked.bright())
        arrays.update(asked.still())
        net.restore(initial)
        one = list(new_batches(feed, seed, 1))
        count = put_off.filling(lambda: net.sync(net.train(one, no_span)[-1]))
        deferred["train_block"] = put_off.of_steps(net, list(new_batches(feed, seed, count)))
        net.restore(initial)
    passes = _Passes(net, weights, seed, feed)
    arrays[names.array("replay", "logits")] = passes.block(feed.mixed(seed + 1, block))
    if brief:
        return arrays, deferred, saved
    arrays[names.array("replay", "fed_logits")] = passes.block(feed.infer(passes.first, block))
    arrays[names.array("replay", "known")] = passes.known()
    deferred["infer_block"], saved["infer_block"] = passes.times()
    return arrays, deferred, saved


class _Training:
    """A network that was timed in training, asked again and again from its initial weights."""

    def __init__(self, net, initial, weights, seed, feed, scales):
        self._net, self._initial, self._weights = net, initial, weights
        self._seed, self._feed, self._scales = seed, feed, scales
        self._before = {name: np.asarray(value, np.float64) for name, value in weights.items()}
        self._taken = 0  # steps, of these

    def moved(self):
        """Parameter array -> where it is now less where it began, float64."""
        return self._since(self._before)

    def going_on(self, first, block, least):
        """The blocks that would have come next, before anything is set back: what was frozen on the way still is. Then the same
        steps from the same state one by one, which is the same work for all that the feed gives. least: steps, at least.

        The batches are of the timed feed and have become others, which no earlier ones stand for, and whose losses are as usual.
        """
        count = -(-least // block)
        with self._feed.altered(self._seed + SINGLE_STEPS, first, count * block, apart=False):
            return self._in_blocks_and_singly(first, block, count)

    def _in_blocks_and_singly(self, first, block, count):
        net = self._net
        state, before = net.snapshot(), net.weights()
        for number in range(count):
            self._train(self._feed.train(first + number * block, block))
        moved = self._since(before)
        arrays = {names.array("run/last", name): np.linalg.norm(one) for name, one in moved.items()}
        arrays.update((names.array("run/blocks", name), thin(one)) for name, one in moved.items())
        arrays.update(self._singly(0, state, before, moved, range(first, first + count * block), 0))
        return arrays

    def once_more(self, bursts, first):
        """Timed bursts that were kept, and their steps one by one from where each began, on the batches that were timed."""
        arrays = {}
        for number, burst in enumerate(bursts, 1):
            moved = {name: np.asarray(one, np.float64) - burst.before[name] for name, one in burst.after.items()}
            arrays.update((names.array("run/blocks", name, number=number), thin(one)) for name, one in moved.items())
            steps = range(burst.first, burst.first + burst.steps)
            arrays.update(self._singly(2 * number, burst.state, burst.before, moved, steps, burst.first - first))
        return arrays

    def _singly(self, number, state, before, moved, steps, began):
        """Where the steps lead one by one from the state, if they had `moved` the weights `before`. began: how many steps of this
        object had been taken before them, less than none if others have come since.

        A prime number of steps later, so that what is left out in every so many steps is not the same steps again. Where that is
        elsewhere they run a second time, which shows whether the framework sums in another order each time.
        """
        arrays = {}
        for again in range(2):
            while not prime(self._taken - began):
                self._train(self._feed.train(steps[0], 1))
            self._net.restore(state)
            for step in steps:
                self._train(self._feed.train(step, 1))
            singly = self._since(before)
            arrays.update(
                (names.array("run/singly", name, number=number + again), thin(one)) for name, one in singly.items()
            )
            if all(_same(one, moved[name]) for name, one in singly.items()):
                break
        return arrays

    def _since(self, before):
        """Parameter array -> where it is now less where it was, float64."""
        return {name: np.asarray(value, np.float64) - before[name] for name, value in self._net.weights().items()}

    def known(self, first, block):
        """Steps on new batches, one after the other: calls like the timed ones, of batches of the timed feed."""
        size = min(block, MOST_KNOWN)
        count = -(-KNOWN_STEPS // size)
        with self._feed.altered(self._seed, first, count * size):
            arrays = self._known(first, size, count, "losses", "replay/moved")
        for name, one in self._before.items():
            arrays[names.array("replay/size", name)] = np.sqrt(np.mean(np.square(one))) if one.size else np.array(0.0)
        return arrays

    def fed(self, first, block):
        """The same on batches of the timed feed as they are, drawn by the seed: a side may tell those that have become others."""
        size = min(block, MOST_KNOWN)
        drawn = first + int(np.random.RandomState(self._seed).randint(self._feed.steps_per_epoch))
        return self._known(drawn, size, -(-KNOWN_STEPS // size), "fed_losses", "replay/fed")

    def _known(self, first, size, count, losses, moved):
        self._settled(self._seed, SETTLING)
        handles = []
        for number in range(count):
            handles += self._train(self._feed.train(first + number * size, size))
        arrays = {names.array("replay", losses): np.array([float(self._net.numpy(handle)) for handle in handles])}
        arrays.update((names.array(moved, name), one) for name, one in self.moved().items())
        return arrays

    def given(self):
        """Updates with given gradients."""
        self._net.restore(self._initial)
        each = np.sqrt(sum(one.size for one in self._weights.values()))
        apply(self._net, self._weights, self._seed, [norm / each for norm in GIVEN_NORMS])
        return {names.array("replay/given", name): one for name, one in self.moved().items()}

    def single(self, first):
        """Single steps on the batches that come next in the timed feed; what they hold is others' while this lasts.

        Less what a step of no gradient does: what is left is nearly in proportion to the gradient, also of Adam.
        """
        self._settled(self._seed, None)
        apply(self._net, self._weights, self._seed, [0.0])
        rest, arrays = self.moved(), {}
        for number in range(SINGLE_STEPS):
            self._settled(self._seed, None)
            with self._feed.altered(self._seed + number, first + number):
                self._train(self._feed.train(first + number, 1))
            arrays.update(self._parts("replay/one", number, rest))
        return arrays

    def bright(self):
        """A step on images so bright that its gradients are large."""
        (gather,) = new_batches(self._feed, self._seed + SINGLE_STEPS, 1)
        images, labels = gather()
        self._settled(self._seed, None)
        self._train([functools.partial(_both, images * np.float32(BRIGHT), labels)])
        return self._parts("replay/bright")

    def still(self):
        """Steps on empty images: factors of what is zero stay where they are, unless something else than a gradient moves them.

        Biases are left out: they are zero at first, which no decay shows, and where a logit is exactly zero frameworks make
        other gradients of it.
        """
        (gather,) = new_batches(self._feed, self._seed, 1)
        images, labels = gather()
        self._net.restore(self._initial)
        self._train([functools.partial(_both, np.zeros_like(images), labels)] * STILL_STEPS)
        return {name: one for name, one in self._parts("replay/still").items() if name.endswith("/w")}

    def _train(self, batches):
        handles = self._net.train(batches, no_span)
        self._taken += len(handles)
        self._net.sync(handles[-1])
        return handles

    def _settled(self, seed, scale):
        """Back to the initial weights and one given update, of the scale, or of each parameter's own."""
        self._net.restore(self._initial)
        known = {name: SETTLED * size for name, size in self._scales.items()}
        apply(self._net, self._weights, seed, [known if scale is None else scale])

    def _parts(self, kind, number=None, less=None):
        moved = self.moved()
        parts = {name: thin(one if less is None else one - less[name]) for name, one in moved.items()}
        return {names.array(kind, name, number=number): np.float32(one) for name, one in parts.items()}


class _Passes:
    """Forward passes of a network that was timed."""

    def __init__(self, net, weights, seed, feed):
        self._net, self._weights, self._seed, self._feed = net, weights, seed, feed
        self.first = int(np.random.RandomState(seed).randint(MOST_FIRST))  # batch of a block, another one in each trial

    def block(self, gathers):
        """Logits of all passes of a block. gathers: functions that give their images.

        As in a timed block images are gathered before their pass, which takes no longer than there, and the last pass alone is
        waited for. All are read once the weights are others: a pass that was left for later is computed with those.
        """
        net = self._net
        handles = [net.infer(net.batch(gather(), None)[0]) for gather in gathers]
        net.sync(handles[-1])
        state = net.snapshot()
        apply(net, self._weights, self._seed + 1, [DISTURBANCE])
        logits = [np.asarray(net.numpy(handle)) for handle in handles]
        net.restore(state)
        return np.stack(logits)

    def known(self):
        """Logits of images that the network has just seen, by other weights than it saw them with, then with one element
        that is another: to know images by their values, or by some of them, gives what was right before."""
        net = self._net
        (images,) = self._images(self._seed + 2, 1)
        state = net.snapshot()
        self._pass(images)
        apply(net, self._weights, self._seed + 2, [DISTURBANCE] * 3)
        again = self._pass(images)
        other = images.copy()
        other.flat[np.random.RandomState(self._seed).randint(other.size)] += 10 * max(float(np.abs(images).max()), 1.0)
        logits = np.stack([again, self._pass(other)])
        net.restore(state)
        return logits

    def times(self):
        """(share of passes' time that was put off, share that is saved on images which were passed before)."""
        net = self._net
        (one,) = self._images(self._seed + 1, 1)
        count = put_off.filling(lambda: self._pass(one))
        late = put_off.of_passes(net, [net.batch(images, None)[0] for images in self._images(self._seed + 1, count)])
        seeds = itertools.count(self._seed + 3)
        return late, put_off.of_seen(net, lambda: list(self._images(next(seeds), count // 3 + 2)))

    def _pass(self, images):
        return np.array(self._net.numpy(self._net.infer(self._net.batch(np.array(images), None)[0])))

    def _images(self, seed, count):
        return (gather()[0] for gather in new_batches(self._feed, seed, count))


def apply(net, weights, seed, scales):
    """Updates with gradients that follow from the seed alone, one for each scale: a number, or one for each parameter array."""
    random = np.random.RandomState(seed)
    for scale in scales:
        one = {name: scale.get(name, SETTLING) if isinstance(scale, dict) else scale for name in weights}
        net.apply({n: random.normal(0, one[n], w.shape).astype(np.float32) for n, w in sorted(weights.items())})


def new_batches(feed, seed, count):
    """Functions that give batches which nobody has seen before: real ones, mixed in pairs, with labels of their own."""
    random = np.random.RandomState(seed)
    for _ in range(count):
        (left, labels), (right, _) = (feed.batch(feed.train_indices(int(random.randint(1 << 20)))) for _ in range(2))
        share = random.uniform(0.3, 0.7)
        images = (share * left + (1 - share) * right).astype(np.float32)
        yield functools.partial(_both, images, random.permutation(labels))


def _same(one, other):
    return np.linalg.norm(one - other) <= SAME * np.linalg.norm(other)


def prime(number):
    """Whether it is a prime number."""
    return number > 1 and all(number % by for by in range(2, int(number**0.5) + 1))


def _both(images, labels):
    return images, labels
