"""One evaluation: test queries, their ranks and lists, figures, report and plots."""
