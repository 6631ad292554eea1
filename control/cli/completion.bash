# SPDX-License-Identifier: Apache-2.0
# Completion of microburst for bash: commands, then functions, DAGs, keys or files, whatever the
# command takes. The program itself names its commands, the node its functions.

_microburst()
{
	local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} second=${COMP_WORDS[2]}

	COMPREPLY=()
	if [[ $COMP_CWORD -eq 1 ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(microburst --list-commands |
			cut -d' ' -f1 | uniq)" -- "$word")
		return
	fi
	if [[ $word == -* ]]; then
		[[ $command == dag ]] && command="dag $second"
		# shellcheck disable=SC2086 # the command may be two words
		mapfile -t COMPREPLY < <(compgen -W "$(microburst $command --usage 2>/dev/null |
			grep -o -- '--[a-z]*')" -- "$word")
		return
	fi
	case $command${second:+ $second} in
	dag*)
		if [[ $COMP_CWORD -eq 2 ]]; then
			mapfile -t COMPREPLY < <(compgen -W "add call show rm list" -- "$word")
		elif [[ $COMP_CWORD -eq 3 && $second != add && $second != list ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$(microburst dag list 2>/dev/null |
				awk 'NR > 1 { print $1 }')" -- "$word")
		fi ;;
	deploy*)
		mapfile -t COMPREPLY < <(compgen -f -X '!*.@(c|so)' -- "$word"; compgen -d -- "$word") ;;
	call* | undeploy* | logs*)
		[[ $COMP_CWORD -eq 2 ]] &&
			mapfile -t COMPREPLY < <(compgen -W "$(microburst functions 2>/dev/null |
				awk 'NR > 1 { print $1 }')" -- "$word") ;;
	get* | set* | incr* | sadd* | srem* | members* | h[sgid]* | expire* | del*)
		[[ $COMP_CWORD -eq 2 || $command == del ]] &&
			mapfile -t COMPREPLY < <(compgen -W "$(microburst keys "$word" 2>/dev/null |
				head -n 100)" -- "$word") ;;
	doctor*)
		mapfile -t COMPREPLY < <(compgen -W "check init fini" -- "$word") ;;
	esac
}
complete -o bashdefault -F _microburst microburst
