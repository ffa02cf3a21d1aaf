run
print *reminders[i]
print (char *) reminders[i]
set $letter = reminders[i]
watch -l $letter->clerk
reverse-continue
backtrace
delete
break letter_deliver if l == $letter
reverse-continue
print *l
print *reminders@n_reminders
delete
break reminder_add if l == $letter
reverse-continue
print day
reverse-continue
print day
