"""When exchanges trade. Facts come from `exchange_calendars` once and from a small file after."""
