"""Well-known losses with the mistakes that are usual in them."""
