"""Schedules: calendars, cron, timers, and when they run next."""
