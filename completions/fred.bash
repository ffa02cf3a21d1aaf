# bash completion for fred and fred-gdb                       -*- shell-script -*-

_fred_gdb_options='-args -batch -batch-silent -cd= -command= -configuration -core= -data-directory= -dbx
	-directory= -early-init-command= -early-init-eval-command= -eiex -eix -eval-command= -ex -exec= -fullname
	-help -iex -init-command= -init-eval-command= -interpreter= -ix -nh -nw -nx -p -pid= -quiet -readnever
	-readnow -return-child-result -se= -silent -statistics -symbols= -tty= -tui -version -write -x'

# gdb's arguments, from word $1 of the line on
_fred_gdb() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} i first

	# readline splits --opt=value at the "="
	[[ $cur == = ]] && cur=
	[[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD - 2]}

	# behind -args PROGRAM: as the program itself is completed
	for ((i = $1; i < COMP_CWORD - 1; i++)); do
		case ${COMP_WORDS[i]} in
		-args | --args)
			if declare -F _command_offset >/dev/null; then
				_command_offset $((i + 1))
			else
				COMPREPLY=($(compgen -f -- "$cur"))
			fi
			return
			;;
		esac
	done

	case ${prev/#--/-} in
	-p | -pid) COMPREPLY=($(compgen -W "$(command ps -u "$UID" -o pid= 2>/dev/null)" -- "$cur")) ;;
	-i | -interpreter) COMPREPLY=($(compgen -W 'console mi mi2 mi3 mi4 dap' -- "$cur")) ;;
	-cd | -d | -directory | -data-directory) COMPREPLY=($(compgen -d -- "$cur")) ;;
	-ex | -iex | -eiex | -eval-command | -init-eval-command | -early-init-eval-command) ;;
	*)
		if [[ $cur == -* ]]; then
			[[ $cur == --* ]] && first=- || first=
			COMPREPLY=($(compgen -P "$first" -W "$_fred_gdb_options" -- "${cur#"$first"}"))
			[[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
		else
			COMPREPLY=($(compgen -f -- "$cur"))
		fi
		;;
	esac
	return 0
}

_fred() {
	local cur=${COMP_WORDS[COMP_CWORD]} i

	if [[ ${COMP_WORDS[0]##*/} == fred-gdb ]]; then
		_fred_gdb 1
		# an option of ours, if it comes first
		((COMP_CWORD == 1)) && [[ $cur == --* && --no-record == "$cur"* ]] && COMPREPLY+=(--no-record)
		return
	fi
	for ((i = 1; i < COMP_CWORD; i++)); do
		[[ ${COMP_WORDS[i]} == -* ]] && continue
		[[ ${COMP_WORDS[i]} == gdb ]] && _fred_gdb $((i + 1))
		return
	done
	COMPREPLY=($(compgen -W '-h --help --no-record -v --verbose --version gdb' -- "$cur"))
}

complete -o filenames -F _fred fred fred-gdb
