"""Parameters of training batches."""

from pydantic import Field

from two_tower.chunking import count_queries
from two_tower.params import PaddedBatches, Rows


class BatchParams(PaddedBatches):
    """Size of training batches; the last bucket boundary holds the longest window."""

    pairs: Rows = Field(description="queries of a batch, where each row is one query")
    logits_chunk: Rows = Field(description="queries whose logits exist at one time")

    def chunk(self, *, query_per_position: bool) -> int:
        """Return the number of queries whose logits exist at one time."""
        if query_per_position:
            return self.logits_chunk
        return min(self.logits_chunk, self.pairs)

    def max_queries(self, *, query_per_position: bool) -> int:
        """Return the number of queries of the largest batch."""
        if not query_per_position:
            return self.pairs
        return max(
            count_queries(
                width,
                tokens_per_batch=self.tokens_per_batch,
                chunk=self.logits_chunk,
            )
            for width in self.bucket_boundaries
        )
