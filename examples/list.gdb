break report
run
print list_len(head)
reverse-watch list_len(head) <= LIMIT
backtrace
print request
print list_len(head)
print pinned(head)
next
print list_len(head)
