"""FAQs and known duplicates to a model that ranks FAQs for a question."""
