"""Metrics by their definition, one user and one item at a time, in float64.

Written independently of `two_tower.metrics`, which tests compare with it.
"""

import math


def ranked_list(scores, targets, seen):
    """All unseen items and the positives, best first, a positive last among equals."""
    items = [i for i in range(len(scores)) if i not in set(seen) or i in set(targets)]
    return sorted(items, key=lambda i: (-scores[i], i in set(targets)))


def ranks(scores, targets, seen):
    order = ranked_list(scores, targets, seen)
    return sorted(order.index(target) for target in targets)


def recall(ranks_of_user, k):
    return sum(rank < k for rank in ranks_of_user) / min(k, len(ranks_of_user))


def ndcg(ranks_of_user, k):
    gain = sum(1 / math.log2(rank + 2) for rank in ranks_of_user if rank < k)
    ideal_ranks = range(min(k, len(ranks_of_user)))
    return gain / sum(1 / math.log2(rank + 2) for rank in ideal_ranks)


def reciprocal_rank(ranks_of_user):
    return 1 / (min(ranks_of_user) + 1)
