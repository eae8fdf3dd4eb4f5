# A tool of chat.sh: the date and time of this machine.
register_tool current_date_time '{
  "type": "function",
  "function": {
    "name": "current_date_time",
    "description": "The date and the time now, with the time zone",
    "parameters": {"type": "object", "properties": {}}
  }
}'

current_date_time() { date '+%Y-%m-%d %H:%M:%S %Z'; }
